//! The header says of each function what the library says of it: the C compiler compares.
//!
//! The exported functions are read from the sources of the library and written down again as C
//! would declare them, each as a pointer of that type to the function of the header. A header whose
//! arguments differ in number, type or `const` does not compile.

use std::{env, fmt::Write as _, fs, mem::offset_of, path::Path, path::PathBuf, process::Command};

use dtact_ffi::{
    DtactConfig, DtactFiberInfo, DtactHandle, DtactMetrics, DtactSpawnOptions, DtactStatus,
};

use crate::{
    header::declared,
    toolchain::{Ended, c_compiler, c_compilers, crate_dir, run},
};

/// A function of the library, as C writes it.
struct Function {
    name: String,
    result: String,
    arguments: Vec<String>,
}

/// The sources of the library.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the folder of the sources");
    for entry in entries {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The exported functions.
fn exported() -> Vec<Function> {
    let mut paths = Vec::new();
    sources(&crate_dir().join("src"), &mut paths);
    let mut functions = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source is a text");
        let after_attribute = text.split("#[unsafe(no_mangle)]").skip(1);
        functions.extend(after_attribute.map(function));
    }
    functions
}

/// The function that begins here.
fn function(text: &str) -> Function {
    let (_, rest) = text.split_once("extern \"C\" fn ").expect("a function");
    let (head, _) = rest.split_once('{').expect("its body");
    let (name, rest) = head.split_once('(').expect("its arguments");
    let (arguments, result) = rest.rsplit_once(')').expect("their end");
    Function {
        name: name.to_owned(),
        result: result
            .trim()
            .strip_prefix("->")
            .map_or_else(|| "void".to_owned(), c_type),
        arguments: arguments
            .split(',')
            .filter_map(|argument| argument.split_once(':'))
            .map(|(_, of)| c_type(of))
            .collect(),
    }
}

/// A type of Rust, as C writes it.
fn c_type(rust: &str) -> String {
    let rust = rust.trim();
    if let Some(inner) = rust.strip_prefix("*mut ") {
        return format!("{} *", c_type(inner));
    }
    if let Some(inner) = rust.strip_prefix("*const ") {
        return format!("const {} *", c_type(inner));
    }
    let function = rust
        .strip_prefix("Option<")
        .map(|it| it.trim_end_matches('>'));
    match function.unwrap_or(rust) {
        "bool" => "bool".to_owned(),
        "c_char" => "char".to_owned(),
        "c_int" => "int".to_owned(),
        "!" | "c_void" => "void".to_owned(),
        "i32" => "int32_t".to_owned(),
        "u32" => "uint32_t".to_owned(),
        "u64" => "uint64_t".to_owned(),
        "usize" => "size_t".to_owned(),
        "DtactFunction" => "dtact_finalizer_t".to_owned(),
        other => {
            let name = other.strip_prefix("Dtact");
            let name = name.unwrap_or_else(|| panic!("`{other}` has no type in C"));
            let mut c = "dtact".to_owned();
            for letter in name.chars() {
                if letter.is_ascii_uppercase() {
                    c.push('_');
                }
                c.push(letter.to_ascii_lowercase());
            }
            c + "_t"
        }
    }
}

/// What the C compiler says to all of it, and `more`.
fn compiled_by(compiler: &str, functions: &[Function], more: &str) -> Ended {
    let mut text = "#include <dtact.h>\n#include <stddef.h>\n".to_owned();
    for Function {
        name,
        result,
        arguments,
    } in functions
    {
        let arguments = match arguments.as_slice() {
            [] => "void".to_owned(),
            arguments => arguments.join(", "),
        };
        writeln!(text, "{result} (*const of_{name})({arguments}) = {name};").expect("a string");
    }
    text += more;
    // Each call has a file of its own: tests run at the same time.
    let name = format!("signatures-{compiler}-{}.c", more.len());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("the file can be written");
    let mut command = Command::new(compiler);
    command
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(["-fsyntax-only", "-I"])
        .arg(crate_dir().join("include"))
        .arg(file);
    run(&mut command)
}

/// The types that functions take and return, by what they are made of.
fn layouts() -> String {
    let mut text = String::new();
    let mut same = |c: &str, rust: usize| {
        writeln!(text, "_Static_assert({c} == {rust}, \"{c}\");").expect("a string");
    };
    same("sizeof(dtact_status_t)", size_of::<DtactStatus>());
    same("sizeof(dtact_handle_t)", size_of::<DtactHandle>());
    same("sizeof(dtact_config_t)", size_of::<DtactConfig>());
    same(
        "sizeof(dtact_spawn_options_t)",
        size_of::<DtactSpawnOptions>(),
    );
    macro_rules! fields {
        ($c:literal, $rust:ty: $($field:ident)*) => { $(
            let offset = concat!("offsetof(", $c, ", ", stringify!($field), ")");
            same(offset, offset_of!($rust, $field));
        )* };
    }
    fields!("dtact_config_t", DtactConfig:
        mWorkers mSafetyLevel mTopologyMode mNuma mFiberCapacity mStackSize);
    same("sizeof(dtact_metrics_t)", size_of::<DtactMetrics>());
    fields!("dtact_metrics_t", DtactMetrics:
        size spawned finished heap_escaped_spawns stackful_suspensions blocked_waits starved
        stacks_live stacks_live_max);
    same("sizeof(dtact_fiber_info_t)", size_of::<DtactFiberInfo>());
    fields!("dtact_fiber_info_t", DtactFiberInfo:
        size state worker priority affinity kind stack_bytes name);
    fields!("dtact_spawn_options_t", DtactSpawnOptions: mPriority mAffinity mKind mSwitcher);
    text + "
static void *callback(void *env) { return env; }
static void finalizer(void *env) { (void)env; }
static void completion(void *env, uint64_t fiber) { (void)env; (void)fiber; }
static void *cxx_globals(void) { return 0; }
const dtact_callback_t of_callback = callback;
const dtact_finalizer_t of_finalizer = finalizer;
const dtact_completion_t of_completion = completion;
const dtact_cxx_globals_t of_cxx_globals = cxx_globals;
"
}

#[test]
fn the_signatures_of_the_header_are_those_of_the_library() {
    let functions = exported();
    let names = functions.iter().map(|function| function.name.clone());
    assert_eq!(names.collect::<std::collections::BTreeSet<_>>(), declared());
    for compiler in c_compilers() {
        let ended = compiled_by(&compiler, &functions, &layouts());
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{compiler}");
    }
}

#[test]
fn a_signature_that_differs_is_found() {
    for wrong in [
        "pub extern \"C\" fn dtact_sleep(ms: u32) -> DtactStatus {",
        "pub extern \"C\" fn dtact_sleep() -> DtactStatus {",
        "pub extern \"C\" fn dtact_sleep(ms: u64) -> u64 {",
        "pub extern \"C\" fn dtact_status_message(status: i32) -> *mut c_char {",
    ] {
        let ended = compiled_by(&c_compiler(), &[function(wrong)], &"\n".repeat(wrong.len()));
        assert_ne!(ended.code, Some(0), "{wrong}");
    }
    let ended = compiled_by(
        &c_compiler(),
        &[],
        "_Static_assert(sizeof(dtact_config_t) == 1, \"\");",
    );
    assert_ne!(ended.code, Some(0));
}
