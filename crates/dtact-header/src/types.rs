//! Which types C needs to be told of, and which it cannot have.
//!
//! A type is looked at wherever an entry point mentions it, and then all that it is made of:
//!
//! ```text
//!   by value          numbers, `bool`; pointers; `repr(C)` and `repr(transparent)` types, and
//!                     enums that say which number they are, if all in them is of this kind
//!   in a field        the same, arrays, and pointers to functions
//!   behind a pointer  the same, `c_void`, and any type of the sources: to C it is opaque
//! ```
//!
//! cbindgen would leave out in silence what it does not understand, so it is given nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Expr, Fields, GenericArgument, PathArguments, PathSegment, ReturnType, Type, TypeBareFn,
    TypePath, ext::IdentExt as _, spanned::Spanned as _,
};

use crate::{
    HeaderError, Place, condition, number,
    scan::{self, Definition, Found, Named},
};

/// How a definition of the sources is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// With what is in it.
    Whole,
    /// By its name, behind pointers.
    Opaque,
}

/// The definitions that C needs, by their index in [`Found::named`].
pub(crate) type Needed = BTreeMap<usize, Need>;

/// Numbers that are there without a definition: of Rust, of `std::ffi`, and of `libc`.
const NUMBERS: &str = "bool f32 f64 i16 i32 i64 i8 isize u16 u32 u64 u8 usize \
                       c_char c_double c_float c_int c_long c_longlong c_schar c_short c_uchar \
                       c_uint c_ulong c_ulonglong c_ushort RawFd \
                       int16_t int32_t int64_t int8_t intptr_t ptrdiff_t size_t uint16_t uint32_t \
                       uint64_t uint8_t uintptr_t";

/// Around a type, and nothing to C.
const WRAPPERS: [&str; 4] = ["Cell", "ManuallyDrop", "MaybeUninit", "UnsafeCell"];

/// Finds out.
pub(crate) fn needed(found: &Found) -> Result<Needed, HeaderError> {
    let mut check = Check {
        found,
        needed: Needed::new(),
        seen: BTreeSet::new(),
    };
    for function in &found.functions {
        for (name, ty) in &function.params {
            let what = format!("parameter `{name}` of `{}`", function.name);
            let at = At::new(&function.place, function.file, &what);
            check.ty(ty, Role::Value, at)?;
        }
        if let Some(ty) = &function.result {
            let what = format!("the result of `{}`", function.name);
            let at = At::new(&function.place, function.file, &what);
            check.ty(ty, Role::Value, at)?;
        }
    }
    check.names()?;
    Ok(check.needed)
}

/// The value of a length or of an enumerator, with the constants of the sources.
pub(crate) fn number(found: &Found, file: usize, expr: &Expr) -> Option<i128> {
    number::value(expr, &mut |name| {
        let mut constants = found.named.iter().filter_map(|named| {
            let Definition::Constant(expr) = &named.definition else {
                return None;
            };
            (named.name == name).then_some((named.file, expr))
        });
        let here = constants.clone().find(|(other, _)| *other == file);
        here.or_else(|| constants.next()).map(|(_, expr)| expr)
    })
}

/// Whether fields take no room: a type of such fields stands for one that C does not see into.
fn are_empty(fields: &Fields) -> bool {
    fields.iter().all(|field| match &field.ty {
        Type::Array(array) => number::value(&array.len, &mut |_| None) == Some(0),
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            name == "PhantomData" || name == "PhantomPinned"
        }),
        _ => false,
    })
}

/// Whether C has the layout of a definition.
fn is_laid_out(definition: &Definition) -> bool {
    let (attrs, accepted): (_, &[&str]) = match definition {
        Definition::Struct(it) if are_empty(&it.fields) => return false,
        Definition::Enum(it) if it.variants.is_empty() => return false,
        Definition::Struct(it) => (&it.attrs, &["C", "transparent"]),
        Definition::Union(it) => (&it.attrs, &["C"]),
        Definition::Enum(it) => (
            &it.attrs,
            &[
                "C", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize",
            ],
        ),
        Definition::Alias(_) | Definition::Constant(_) => return true,
    };
    let mut words = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("repr")) {
        let list = attr.meta.require_list().map(|list| list.tokens.to_string());
        words.extend(
            list.unwrap_or_default()
                .split(',')
                .map(|it| it.trim().to_owned()),
        );
    }
    // Beside one that changes the layout, such as `packed`, it is none of C.
    matches!(words.as_slice(), [word] if accepted.contains(&word.as_str()))
}

/// Where a type is written that C shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Value,
    Field,
    Behind,
}

/// Where that is, in words too.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a Path,
    file: usize,
    what: &'a str,
}

impl<'a> At<'a> {
    fn new(place: &'a Place, file: usize, what: &'a str) -> Self {
        Self {
            path: &place.path,
            file,
            what,
        }
    }

    fn place(self, span: Span) -> Place {
        Place::new(self.path, span.start().line)
    }

    /// The error for a type that has no counterpart in C.
    fn refused(self, ty: &impl ToTokens) -> HeaderError {
        let text = format!(
            "{} is `{}`, which C cannot have: take and give numbers, raw pointers, or `repr(C)` \
             types of these that are in the sources; to what else there is, a pointer to `c_void`",
            self.what,
            spelled(ty),
        );
        HeaderError::Refused {
            place: self.place(ty.span()),
            text,
        }
    }
}

/// A type as somebody would write it.
fn spelled(ty: &impl ToTokens) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("& ", "&"),
        ("* ", "*"),
        (" ,", ","),
        (" ;", ";"),
        (" ()", "()"),
    ] {
        text = text.replace(from, to);
    }
    text
}

struct Check<'a> {
    found: &'a Found,
    needed: Needed,
    /// What was looked at, and in which role.
    seen: BTreeSet<(usize, Role)>,
}

impl Check<'_> {
    fn ty(&mut self, ty: &Type, role: Role, at: At<'_>) -> Result<(), HeaderError> {
        match ty {
            Type::Paren(inner) => self.ty(&inner.elem, role, at),
            Type::Group(inner) => self.ty(&inner.elem, role, at),
            Type::Ptr(pointer) => self.ty(&pointer.elem, Role::Behind, at),
            Type::Path(path) => self.path(path, role, at),
            Type::Tuple(tuple) if role == Role::Behind && tuple.elems.is_empty() => Ok(()),
            Type::BareFn(function) if role != Role::Value => self.function(function, at),
            Type::Array(array) if role != Role::Value => {
                if number(self.found, at.file, &array.len).is_none_or(|len| len < 1) {
                    return Err(HeaderError::Refused {
                        place: at.place(array.len.span()),
                        text: format!(
                            "`{}`, a length in {}, is no number above 0 that can be read from the \
                             sources: write it as a number",
                            spelled(&array.len),
                            at.what,
                        ),
                    });
                }
                self.ty(&array.elem, Role::Field, at)
            }
            _ => Err(at.refused(ty)),
        }
    }

    fn function(&mut self, function: &TypeBareFn, at: At<'_>) -> Result<(), HeaderError> {
        let abi = function.abi.as_ref();
        let is_of_c =
            abi.is_some_and(|abi| abi.name.as_ref().is_none_or(|name| name.value() == "C"));
        if !is_of_c || function.lifetimes.is_some() || function.variadic.is_some() {
            return Err(at.refused(function));
        }
        for input in &function.inputs {
            self.ty(&input.ty, Role::Value, at)?;
        }
        match &function.output {
            ReturnType::Type(_, ty) => self.ty(ty, Role::Value, at),
            ReturnType::Default => Ok(()),
        }
    }

    fn path(&mut self, path: &TypePath, role: Role, at: At<'_>) -> Result<(), HeaderError> {
        let Some(last) = path.path.segments.last() else {
            return Err(at.refused(path));
        };
        let name = last.ident.unraw().to_string();
        match argument(last) {
            Some(inner) if role != Role::Value && WRAPPERS.contains(&&*name) => {
                return self.ty(inner, role, at);
            }
            Some(inner) if role != Role::Value && name == "NonNull" => {
                return self.ty(inner, Role::Behind, at);
            }
            Some(inner) if role != Role::Value && name == "Option" && can_be_null(inner) => {
                return self.ty(inner, role, at);
            }
            _ => {}
        }
        if path.qself.is_some() || !last.arguments.is_none() {
            return Err(at.refused(path));
        }
        let is_known = NUMBERS.split(' ').any(|number| number == name)
            || name == "dtact_handle_t"
            || (name == "c_void" && role == Role::Behind);
        if is_known {
            return Ok(());
        }
        let found = self.named(path, &name, at)?;
        if found.is_empty() {
            return Err(at.refused(path));
        }
        let mut found = found.into_iter();
        found.try_for_each(|index| self.definition(index, role, path, at))
    }

    /// The definitions of a name: several where each is there under conditions of its own.
    fn named(&self, path: &TypePath, name: &str, at: At<'_>) -> Result<Vec<usize>, HeaderError> {
        let all = self.found.named.iter().enumerate();
        let all = all.filter(|(_, named)| {
            named.name == name && !matches!(named.definition, Definition::Constant(_))
        });
        let mut all: Vec<_> = all.collect();
        // A bare name is that of the same file, if it is there.
        let is_here = |named: &Named| named.file == at.file;
        if path.path.segments.len() == 1 && all.iter().any(|(_, named)| is_here(named)) {
            all.retain(|(_, named)| is_here(named));
        }
        for pair in all.windows(2) {
            let [(_, first), (_, second)] = pair else {
                continue;
            };
            alternatives(first, second)?;
        }
        Ok(all.into_iter().map(|(index, _)| index).collect())
    }

    fn definition(
        &mut self,
        index: usize,
        role: Role,
        mention: &TypePath,
        at: At<'_>,
    ) -> Result<(), HeaderError> {
        if !self.seen.insert((index, role)) {
            return Ok(());
        }
        let named = &self.found.named[index];
        let refuse = |text: &str| {
            Err(HeaderError::Refused {
                place: named.place.clone(),
                text: format!("`{}`, in {}, {text}", named.name, at.what),
            })
        };
        let generics = match &named.definition {
            Definition::Struct(it) => &it.generics,
            Definition::Enum(it) => &it.generics,
            Definition::Union(it) => &it.generics,
            Definition::Alias(it) => &it.generics,
            Definition::Constant(_) => return Err(at.refused(mention)),
        };
        if !generics.params.is_empty() {
            return refuse("is generic, which C has not: make it one without");
        }
        if !is_laid_out(&named.definition) {
            if role != Role::Behind {
                return refuse(
                    "is not laid out as in C: write `#[repr(C)]` on it, alone, and let it have \
                     fields; or take a pointer to it",
                );
            }
            self.needed.entry(index).or_insert(Need::Opaque);
            return Ok(());
        }
        self.needed.insert(index, Need::Whole);
        let what = format!("`{}`", named.name);
        let within = At::new(&named.place, named.file, &what);
        match &named.definition {
            Definition::Alias(it) => self.ty(&it.ty, role, within),
            Definition::Struct(it) => self.fields(&it.fields, within),
            Definition::Union(it) => self.fields(&Fields::Named(it.fields.clone()), within),
            Definition::Enum(it) => it.variants.iter().try_for_each(|variant| {
                let refuse = |span, text: &str| {
                    let place = within.place(span);
                    let text = format!("`{}` of {what} {text}", variant.ident);
                    Err(HeaderError::Refused { place, text })
                };
                if !variant.fields.is_empty() {
                    return refuse(
                        variant.span(),
                        "has fields, which enumerators of C have not: use a `repr(C)` struct of a \
                         number and a union",
                    );
                }
                match &variant.discriminant {
                    Some((_, value)) if number(self.found, named.file, value).is_none() => refuse(
                        value.span(),
                        "has a value that cannot be read from the sources: write a number",
                    ),
                    _ => Ok(()),
                }
            }),
            Definition::Constant(_) => Ok(()),
        }
    }

    fn fields(&mut self, fields: &Fields, at: At<'_>) -> Result<(), HeaderError> {
        fields.iter().enumerate().try_for_each(|(number, field)| {
            let name = field.ident.as_ref().map(|ident| ident.unraw().to_string());
            let name = name.unwrap_or_else(|| number.to_string());
            let what = format!("field `{name}` of {}", at.what);
            if condition::of(&field.attrs).next().is_some() {
                let place = at.place(field.span());
                let text = format!("{what} is there at times: put the condition on the whole type");
                return Err(HeaderError::Refused { place, text });
            }
            self.ty(&field.ty, Role::Field, At { what: &what, ..at })
        })
    }

    /// C has one name for each thing, wherever it is.
    fn names(&self) -> Result<(), HeaderError> {
        let mut names: BTreeMap<&str, &Named> = BTreeMap::new();
        let needed = self.needed.keys().map(|index| &self.found.named[*index]);
        for named in needed {
            if let Some(first) = names.insert(&named.name, named) {
                alternatives(first, named)?;
            }
        }
        for function in &self.found.functions {
            let result = scan::result_name(function).unwrap_or_default();
            for name in [&function.entry, &result] {
                if let Some(first) = names.get(name.as_str()) {
                    return Err(HeaderError::Twice {
                        name: name.clone(),
                        first: first.place.clone(),
                        second: function.place.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Makes sure that of two definitions of one name one is there at a time.
fn alternatives(first: &Named, second: &Named) -> Result<(), HeaderError> {
    if !first.conditions.is_empty() && !second.conditions.is_empty() {
        return Ok(());
    }
    Err(HeaderError::Twice {
        name: second.name.clone(),
        first: first.place.clone(),
        second: second.place.clone(),
    })
}

/// The one generic argument of a name.
fn argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

/// Whether null stands for `None`.
fn can_be_null(ty: &Type) -> bool {
    match ty {
        Type::BareFn(_) => true,
        Type::Paren(inner) => can_be_null(&inner.elem),
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| last.ident == "NonNull")
        }
        _ => false,
    }
}
