//! What the sources have: the functions that are exported, and the types and constants that they
//! may mention, with the conditions under which each is there.

use std::{collections::BTreeMap, path::Path};

use proc_macro2::Span;
use syn::{
    Attribute, Expr, FnArg, ImplItemFn, Item, ItemEnum, ItemFn, ItemMod, ItemStruct, ItemType,
    ItemUnion, Pat, ReturnType, Signature, TraitItemFn, Type,
    ext::IdentExt as _,
    spanned::Spanned as _,
    visit::{self, Visit},
};

use crate::{
    HeaderError, Place,
    condition::{self, Conditions},
    files::Source,
};

/// An entry point.
#[derive(Debug)]
pub(crate) struct Function {
    /// What it is called in Rust.
    pub(crate) name: String,
    /// What its entry point is called.
    pub(crate) entry: String,
    /// Its parameters, as the macros name them.
    pub(crate) params: Vec<(String, Type)>,
    /// None where it gives `()`.
    pub(crate) result: Option<Type>,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) conditions: Conditions,
    pub(crate) place: Place,
    /// In which of the sources it is.
    pub(crate) file: usize,
}

/// What a name of a type or of a constant stands for.
#[derive(Debug)]
pub(crate) enum Definition {
    Struct(ItemStruct),
    Enum(ItemEnum),
    Union(ItemUnion),
    Alias(ItemType),
    Constant(Expr),
}

/// A definition, and where it is.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) definition: Definition,
    pub(crate) conditions: Conditions,
    pub(crate) place: Place,
    pub(crate) file: usize,
}

/// All that was found, in the order of the sources.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) functions: Vec<Function>,
    pub(crate) named: Vec<Named>,
}

/// Looks through the sources.
pub(crate) fn scan(sources: &[Source]) -> Result<Found, HeaderError> {
    let mut found = Found::default();
    for (file, source) in sources.iter().enumerate() {
        let mut scan = Scan {
            path: &source.path,
            file,
            conditions: source.conditions.clone(),
            bodies: 0,
            found: &mut found,
            error: None,
        };
        scan.within(&source.syntax.attrs, |scan| scan.visit_file(&source.syntax));
        if let Some(error) = scan.error {
            return Err(error);
        }
    }
    let mut entries = BTreeMap::new();
    for function in &found.functions {
        let names = [Some(function.entry.clone()), result_name(function)];
        for name in names.into_iter().flatten() {
            let Some(first) = entries.insert(name.clone(), function) else {
                continue;
            };
            // Of two that are there under conditions, the compiler says whether both are.
            if first.conditions.is_empty() || function.conditions.is_empty() {
                return Err(HeaderError::Twice {
                    name,
                    first: first.place.clone(),
                    second: function.place.clone(),
                });
            }
        }
    }
    Ok(found)
}

/// What C calls the type of the result.
pub(crate) fn result_name(function: &Function) -> Option<String> {
    function.result.as_ref()?;
    Some(format!("{}_result_t", function.entry))
}

struct Scan<'a> {
    path: &'a Path,
    file: usize,
    /// Those of all around.
    conditions: Conditions,
    /// How many bodies of functions are around.
    bodies: u32,
    found: &'a mut Found,
    /// The first.
    error: Option<HeaderError>,
}

impl Scan<'_> {
    fn place(&self, span: Span) -> Place {
        Place::new(self.path, span.start().line)
    }

    fn refuse(&mut self, span: Span, text: &str) {
        let place = self.place(span);
        let text = text.to_owned();
        self.error
            .get_or_insert(HeaderError::Refused { place, text });
    }

    /// Goes on inside of something with these attributes, if it is there outside of tests.
    fn within(&mut self, attrs: &[Attribute], go_on: impl FnOnce(&mut Self)) {
        let outside = self.conditions.len();
        self.conditions.extend(condition::of(attrs));
        if !self.conditions.iter().any(condition::is_of_tests) {
            go_on(self);
        }
        self.conditions.truncate(outside);
    }

    fn name(&mut self, ident: &syn::Ident, definition: Definition) {
        // What is in a body has a name there alone.
        if self.bodies == 0 {
            self.found.named.push(Named {
                name: ident.unraw().to_string(),
                definition,
                conditions: self.conditions.clone(),
                place: self.place(ident.span()),
                file: self.file,
            });
        }
    }

    fn export(&mut self, prefix: &str, function: &ItemFn) {
        let sig = &function.sig;
        if let Some((span, text)) = refused(sig) {
            return self.refuse(span, text);
        }
        let name = sig.ident.unraw().to_string();
        let params = sig.inputs.iter().enumerate();
        let params = params.filter_map(|(at, input)| match input {
            FnArg::Typed(typed) => Some((param_name(&typed.pat, at), (*typed.ty).clone())),
            FnArg::Receiver(_) => None,
        });
        let result = match &sig.output {
            ReturnType::Type(_, ty) if !is_unit(ty) => Some((**ty).clone()),
            _ => None,
        };
        self.found.functions.push(Function {
            entry: format!("{prefix}_{name}"),
            name,
            params: params.collect(),
            result,
            attrs: function.attrs.clone(),
            conditions: self.conditions.clone(),
            place: self.place(sig.ident.span()),
            file: self.file,
        });
    }

    /// A method, which has no entry point.
    fn method(&mut self, attrs: &[Attribute], sig: &Signature) {
        if attrs.iter().any(|attr| prefix(attr).is_some()) {
            let text = "C has no methods: export a function outside of `impl` and `trait`";
            self.refuse(sig.ident.span(), text);
        }
    }
}

impl<'ast> Visit<'ast> for Scan<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(it) => self.within(&it.attrs, |scan| {
                scan.name(&it.ident, Definition::Struct(it.clone()));
            }),
            Item::Enum(it) => self.within(&it.attrs, |scan| {
                scan.name(&it.ident, Definition::Enum(it.clone()));
            }),
            Item::Union(it) => self.within(&it.attrs, |scan| {
                scan.name(&it.ident, Definition::Union(it.clone()));
            }),
            Item::Type(it) => self.within(&it.attrs, |scan| {
                scan.name(&it.ident, Definition::Alias(it.clone()));
            }),
            Item::Const(it) => self.within(&it.attrs, |scan| {
                scan.name(&it.ident, Definition::Constant((*it.expr).clone()));
                visit::visit_item_const(scan, it);
            }),
            Item::Impl(it) => self.within(&it.attrs, |scan| visit::visit_item_impl(scan, it)),
            Item::Trait(it) => self.within(&it.attrs, |scan| visit::visit_item_trait(scan, it)),
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.within(&module.attrs, |scan| visit::visit_item_mod(scan, module));
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.within(&function.attrs, |scan| {
            for attr in &function.attrs {
                if let Some(prefix) = prefix(attr) {
                    scan.export(prefix, function);
                } else if is_conditional_export(attr) {
                    let text = "an export by `cfg_attr` has an entry point here and none there: \
                                put the condition on a function of its own, by `cfg`";
                    scan.refuse(attr.span(), text);
                }
            }
            scan.bodies += 1;
            visit::visit_item_fn(scan, function);
            scan.bodies -= 1;
        });
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.within(&function.attrs, |scan| {
            scan.method(&function.attrs, &function.sig);
            scan.bodies += 1;
            visit::visit_impl_item_fn(scan, function);
            scan.bodies -= 1;
        });
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        self.within(&function.attrs, |scan| {
            scan.method(&function.attrs, &function.sig);
            scan.bodies += 1;
            visit::visit_trait_item_fn(scan, function);
            scan.bodies -= 1;
        });
    }
}

/// How the names of the entry points begin that an attribute makes.
fn prefix(attr: &Attribute) -> Option<&'static str> {
    let last = &attr.path().segments.last()?.ident;
    if last == "export_async" {
        Some("dtact_export")
    } else if last == "export_fiber" {
        Some("dtact_export_fiber")
    } else {
        None
    }
}

fn is_conditional_export(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg_attr")
        && attr.meta.require_list().is_ok_and(|list| {
            let tokens = list.tokens.to_string();
            tokens.contains("export_async") || tokens.contains("export_fiber")
        })
}

/// What the macros refuse as well.
fn refused(sig: &Signature) -> Option<(Span, &'static str)> {
    if let Some(param) = sig.generics.params.first() {
        let text = "C has no generics: export a function without";
        return Some((param.span(), text));
    }
    if let Some(receiver) = sig.receiver() {
        let text = "C has no methods: export a function without `self`";
        return Some((receiver.span(), text));
    }
    let variadic = sig.variadic.as_ref()?;
    let text = "an entry point has a fixed number of parameters";
    Some((variadic.span(), text))
}

/// What the macros call a parameter.
fn param_name(pat: &Pat, at: usize) -> String {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
            pat.ident.unraw().to_string()
        }
        _ => format!("argument_{at}"),
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}
