//! The header: what is needed as plain Rust, which cbindgen turns into C.
//!
//! ```text
//!   #[export_fiber]                 pub type dtact_export_fiber_add_result_t = u32;
//!   fn add(a: u32) -> u32   ====>   #[no_mangle]
//!                                   pub extern "C" fn dtact_export_fiber_add(a: u32)
//!                                       -> dtact_handle_t {}
//! ```
//!
//! The result is in no signature of C, so it has a type of its own name, by which C programs
//! declare what they have it written to.

use std::{io::Write as _, path::Path};

use cbindgen::{
    Builder, Config, DocumentationStyle, EnumConfig, Language, LineEndingStyle, RenameRule, Style,
};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{
    Attribute, Expr, Field, Meta, parse_quote,
    visit_mut::{self, VisitMut},
};

use crate::{
    HeaderError, Place,
    condition::{self, Defines},
    scan::{self, Definition, Found, Function, Named},
    types::{self, Need, Needed},
};

/// Writes the header that is to be at `path`.
pub(crate) fn header(
    path: &Path,
    found: &Found,
    needed: &Needed,
    defines: &Defines,
) -> Result<String, HeaderError> {
    let mut source = TokenStream::new();
    let mut names = Vec::new();
    for (index, need) in needed {
        let named = &found.named[*index];
        cover(defines, &named.conditions, &named.place)?;
        source.extend(definition(found, named, *need, defines)?);
        names.push(named.name.clone());
    }
    for function in &found.functions {
        cover(defines, &function.conditions, &function.place)?;
        source.extend(entry(found, function, defines));
        names.extend(scan::result_name(function));
    }
    let text = translate(&source, config(path, defines, names.clone()))?;
    // What it does not understand it leaves out.
    let entries = found.functions.iter().map(|function| &function.entry);
    let missing = entries.filter(|name| !text.contains(&format!("\ndtact_handle_t {name}(")));
    let undefined = names.iter().filter(|name| !is_defined(&text, name));
    if let Some(name) = missing.chain(undefined).next() {
        let text = format!("`{name}` is missing");
        return Err(HeaderError::Translation { text });
    }
    Ok(text)
}

fn cover(defines: &Defines, conditions: &[Meta], place: &Place) -> Result<(), HeaderError> {
    let mut conditions = conditions.iter();
    conditions.try_for_each(|condition| defines.cover(condition, place))
}

/// Whether a header defines a type: `typedef … name;`, `typedef … (*name)(…);`, `} name;`, or
/// `enum name`, where that is not all.
fn is_defined(header: &str, name: &str) -> bool {
    let ends = [format!(" {name};"), format!("*{name};")];
    let inside = [format!(" {name}["), format!("*{name})")];
    header.lines().any(|line| match line.split(' ').next() {
        Some("typedef" | "}") => {
            ends.iter().any(|end| line.ends_with(end))
                || inside.iter().any(|part| line.contains(part))
        }
        Some("enum") => line.split(' ').nth(1) == Some(name),
        _ => false,
    })
}

fn config(path: &Path, defines: &Defines, names: Vec<String>) -> Config {
    let mut config = Config {
        language: Language::C,
        style: Style::Both,
        cpp_compat: true,
        no_includes: true,
        // With the integers and the `bool` of C.
        after_includes: Some("#include \"dtact.h\"".to_owned()),
        header: Some(
            "/* Functions of Rust that C spawns as fibers. Written by `dtact-header` from their \
             sources:\n * change those, and write it again. */"
                .to_owned(),
        ),
        include_guard: Some(guard(path)),
        tab_width: 4,
        usize_is_size_t: true,
        line_endings: LineEndingStyle::LF,
        documentation_style: DocumentationStyle::Doxy,
        defines: defines.0.clone().into_iter().collect(),
        // Enumerators of C are not in their enumerations.
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            ..EnumConfig::default()
        },
        ..Config::default()
    };
    config.export.include = names;
    config
}

/// `DTACT_EXPORTS_SOME_NAME_H`, which neither `dtact.h` has nor a header of another name.
fn guard(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.to_uppercase();
    let stem = stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("DTACT_EXPORTS_{stem}_H")
}

/// Has cbindgen turn plain Rust into C.
fn translate(source: &TokenStream, config: Config) -> Result<String, HeaderError> {
    let failed = |text: String| HeaderError::Translation { text };
    let temporary = |error: std::io::Error| failed(format!("no temporary file: {error}"));
    // It reads files alone.
    let mut file = tempfile::Builder::new()
        .prefix("dtact-header-")
        .suffix(".rs")
        .tempfile()
        .map_err(temporary)?;
    write!(file, "{source}").map_err(temporary)?;
    let bindings = Builder::new()
        .with_config(config)
        .with_src(file.path())
        .generate()
        .map_err(|error| failed(error.to_string()))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).map_err(|error| failed(error.to_string()))
}

/// A definition as cbindgen shall see it.
fn definition(
    found: &Found,
    named: &Named,
    need: Need,
    defines: &Defines,
) -> Result<TokenStream, HeaderError> {
    let conditions = &named.conditions;
    let mut plain = Plain {
        found,
        file: named.file,
        place: &named.place,
        defines,
        error: None,
    };
    // Raw, as it may be a keyword of Rust.
    let ident = Ident::new_raw(&named.name, Span::call_site());
    let tokens = match &named.definition {
        Definition::Struct(it) if need == Need::Opaque => opaque(&it.attrs, &ident),
        Definition::Enum(it) if need == Need::Opaque => opaque(&it.attrs, &ident),
        Definition::Union(it) if need == Need::Opaque => opaque(&it.attrs, &ident),
        Definition::Struct(it) => {
            let mut it = it.clone();
            it.attrs = kept(&it.attrs, true);
            plain.visit_item_struct_mut(&mut it);
            it.into_token_stream()
        }
        Definition::Enum(it) => {
            let mut it = it.clone();
            it.attrs = kept(&it.attrs, true);
            plain.visit_item_enum_mut(&mut it);
            it.into_token_stream()
        }
        Definition::Union(it) => {
            let mut it = it.clone();
            it.attrs = kept(&it.attrs, true);
            plain.visit_item_union_mut(&mut it);
            it.into_token_stream()
        }
        Definition::Alias(it) => {
            let mut it = it.clone();
            it.attrs = kept(&it.attrs, true);
            plain.visit_item_type_mut(&mut it);
            it.into_token_stream()
        }
        Definition::Constant(_) => TokenStream::new(),
    };
    match plain.error {
        Some(error) => Err(error),
        None => Ok(quote!(#(#[cfg(#conditions)])* #tokens)),
    }
}

/// A type that C knows by its name.
fn opaque(attrs: &[Attribute], ident: &Ident) -> TokenStream {
    let docs = kept(attrs, false);
    quote!(#(#docs)* pub struct #ident { private: u8 })
}

/// The documentation among attributes, and the layout too; conditions come from elsewhere.
fn kept(attrs: &[Attribute], with_layout: bool) -> Vec<Attribute> {
    let mut kept: Vec<Attribute> = docs(attrs)
        .map(|line| parse_quote!(#[doc = #line]))
        .collect();
    if with_layout {
        let layout = attrs.iter().filter(|attr| attr.path().is_ident("repr"));
        kept.extend(layout.cloned());
    }
    kept
}

/// Lines of documentation, none of which ends a comment of C.
fn docs(attrs: &[Attribute]) -> impl Iterator<Item = String> + '_ {
    let docs = attrs.iter().filter(|attr| attr.path().is_ident("doc"));
    let texts = docs.filter_map(|attr| match &attr.meta.require_name_value().ok()?.value {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    });
    texts.flat_map(|text| {
        let text = text.replace("*/", "* /").replace("/*", "/ *");
        // Nobody asked for what is said to cbindgen there.
        let lines = text
            .split('\n')
            .filter(|line| !line.trim_start().starts_with("cbindgen:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    })
}

/// Rewrites what is in a definition: numbers for constants, names that C has no other use for, and
/// nothing but documentation and conditions around.
struct Plain<'a> {
    found: &'a Found,
    file: usize,
    place: &'a Place,
    defines: &'a Defines,
    error: Option<HeaderError>,
}

impl Plain<'_> {
    fn number(&self, expr: &mut Expr) {
        if let Some(value) = types::number(self.found, self.file, expr) {
            let literal = Literal::u128_unsuffixed(value.unsigned_abs());
            *expr = if value < 0 {
                parse_quote!(-#literal)
            } else {
                parse_quote!(#literal)
            };
        }
    }

    fn attrs(&mut self, attrs: &mut Vec<Attribute>) {
        let conditions: Vec<_> = condition::of(attrs).collect();
        if let Err(error) = cover(self.defines, &conditions, self.place) {
            self.error.get_or_insert(error);
        }
        let docs = kept(attrs, false);
        *attrs = parse_attrs(quote!(#(#[cfg(#conditions)])*));
        attrs.extend(docs);
    }
}

fn parse_attrs(tokens: TokenStream) -> Vec<Attribute> {
    use syn::parse::Parser as _;

    Attribute::parse_outer.parse2(tokens).unwrap_or_default()
}

impl VisitMut for Plain<'_> {
    fn visit_type_array_mut(&mut self, array: &mut syn::TypeArray) {
        self.number(&mut array.len);
        visit_mut::visit_type_array_mut(self, array);
    }

    fn visit_variant_mut(&mut self, variant: &mut syn::Variant) {
        self.attrs(&mut variant.attrs);
        if let Some((_, value)) = &mut variant.discriminant {
            self.number(value);
        }
        visit_mut::visit_fields_mut(self, &mut variant.fields);
    }

    fn visit_field_mut(&mut self, field: &mut Field) {
        self.attrs(&mut field.attrs);
        field.ident = field.ident.as_ref().map(|ident| in_c(&ident.to_string()));
        visit_mut::visit_type_mut(self, &mut field.ty);
    }
}

/// A name of a parameter or of a field, for C. cbindgen changes most of the keywords that Rust has
/// not, and these not.
fn in_c(name: &str) -> Ident {
    const MORE: &str = "and and_eq asm bitand bitor char8_t co_await co_return co_yield compl \
                        concept not not_eq or or_eq requires restrict xor xor_eq";
    let name = name.trim_start_matches("r#");
    let suffix = if MORE.split(' ').any(|word| word == name) {
        "_"
    } else {
        ""
    };
    Ident::new_raw(&format!("{name}{suffix}"), Span::call_site())
}

/// The entry point of a function, and the type of its result.
fn entry(found: &Found, function: &Function, defines: &Defines) -> TokenStream {
    let conditions = &function.conditions;
    let mut plain = Plain {
        found,
        file: function.file,
        place: &function.place,
        defines,
        error: None,
    };
    let mut params = Vec::new();
    for (name, ty) in &function.params {
        let (name, mut ty) = (in_c(name), ty.clone());
        plain.visit_type_mut(&mut ty);
        params.push(quote!(#name: #ty));
    }
    let ident = format_ident!("{}", function.entry);
    let mut lines: Vec<String> = docs(&function.attrs).collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let result = scan::result_name(function);
    lines.push(format!(
        " Spawns a fiber that runs `{}` of Rust, and gives its handle.",
        function.name
    ));
    lines.push(String::new());
    lines.push(
        " 0: there can be none. Else whoever calls this joins the fiber, or detaches it."
            .to_owned(),
    );
    lines.push(result.as_ref().map_or_else(
        || " It has no result.".to_owned(),
        |result| format!(" Its result is of the type `{result}`:\n see dtact_fiber_join_into()."),
    ));
    let alias = result.zip(function.result.clone()).map(|(name, mut ty)| {
        plain.visit_type_mut(&mut ty);
        let name = format_ident!("{name}");
        let doc = format!(" The result of a fiber that {}() spawned.", function.entry);
        quote!(#(#[cfg(#conditions)])* #[doc = #doc] pub type #name = #ty;)
    });
    let lines = lines.iter().flat_map(|text| text.split('\n'));
    quote! {
        #alias
        #(#[cfg(#conditions)])*
        #(#[doc = #lines])*
        #[no_mangle]
        pub extern "C" fn #ident(#(#params),*) -> dtact_handle_t {}
    }
}
