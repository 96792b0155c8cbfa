//! Programs in C and C++ that use the library as its users do.

use std::{fs, path::Path, process::Command};

use crate::toolchain::{
    Ended,
    Linked::{self, Dynamically, Statically, ThroughExample},
    c_compiler, c_compilers, compile, compile_by, compile_with, cpp_compiler, cpp_compilers,
    crate_dir, program, run,
};

/// Compiles a program, runs it, and compares what it writes. It has nothing to complain about.
fn writes(source: &str, linked: Linked, output: &str) {
    says(&compile(source, linked), source, output);
}

/// The same by every C++ compiler there is, as of two standards.
fn writes_everywhere(source: &str, outputs: [&str; 2]) {
    for compiler in cpp_compilers() {
        for (standard, output) in ["c++17", "c++20"].into_iter().zip(outputs) {
            let what = format!("{source} by {compiler} as {standard}");
            let program = compile_by(&compiler, standard, source, Dynamically);
            says(&program, &what, output);
        }
    }
}

fn says(path: &Path, source: &str, output: &str) {
    let ended = run(&mut program(path));
    let Ended {
        code,
        stdout,
        stderr,
    } = ended;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{source}: {stdout}");
    assert_eq!(stdout, output, "{source}");
}

const HELLO: &str = "hello, fiber\nit returned fiber\n";

#[test]
fn main_joins_a_fiber_with_the_static_library() {
    writes("c/hello.c", Statically, HELLO);
}

#[test]
fn main_joins_a_fiber_with_the_shared_library() {
    writes("c/hello.c", Dynamically, HELLO);
}

#[test]
fn fibers_spawn_and_join_fibers() {
    let nodes = (0..=5).map(|depth| 3_u32.pow(depth)).sum::<u32>();
    writes(
        "c/tree.c",
        Statically,
        &format!("{nodes} nodes\n").repeat(3),
    );
}

#[test]
fn misuse_gets_a_status_and_a_message() {
    writes("c/misuse.c", Statically, "all refused\n");
}

#[test]
fn a_cancelled_fiber_is_told_and_not_unwound() {
    writes("c/cancel.c", Statically, "all cancelled\n");
}

#[test]
fn a_finalizer_runs_exactly_once() {
    writes("c/finalizer.c", Statically, "all finalized once\n");
}

#[test]
fn a_join_ends_with_its_time_and_a_shielded_one_with_its_fiber() {
    writes("c/timeout.c", Statically, "all in time\n");
}

#[test]
fn event_loops_and_functions_are_told_of_the_ends_of_fibers() {
    writes("c/completions.c", Statically, "all told\n");
}

#[test]
fn a_fiber_has_the_name_and_the_stack_that_its_options_say() {
    writes("c/options.c", Statically, "all as asked for\n");
}

#[test]
fn runtimes_and_fibers_say_what_they_do() {
    writes("c/observe.c", Statically, "all told\n");
    writes("cpp/observe.cpp", Dynamically, "all told\n");
}

#[test]
fn the_header_stands_alone_and_twice() {
    writes("c/strict.c", Dynamically, "");
}

#[test]
fn every_c_compiler_accepts_every_program() {
    let folder = crate_dir().join("tests/c");
    let entries = fs::read_dir(&folder).expect("the folder of the programs");
    let sources: Vec<_> = entries.map(|entry| entry.expect("one").path()).collect();
    let sources = sources
        .iter()
        .filter(|path| path.extension() == Some("c".as_ref()));
    for compiler in c_compilers() {
        let mut command = Command::new(&compiler);
        command.args([
            "-std=c11",
            "-fsyntax-only",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
        ]);
        command.args([
            "-Wconversion",
            "-Wshadow",
            "-Wundef",
            "-Wstrict-prototypes",
            "-Werror",
        ]);
        command
            .arg("-I")
            .arg(crate_dir().join("include"))
            .args(sources.clone());
        let ended = run(&mut command);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{compiler}");
    }
}

#[test]
fn a_function_object_of_cpp_runs_in_a_fiber() {
    let output = "8\ncaught in the fiber: from the depth\n-1\n3 owners\n";
    writes("cpp/lambda.cpp", Statically, output);
    writes("cpp/lambda.cpp", Dynamically, output);
}

#[test]
fn a_fiber_keeps_its_errno_over_a_wait() {
    writes("c/errno.c", Statically, "each its own\n");
}

#[test]
fn a_fiber_of_cpp_waits_inside_of_catch_blocks_and_of_destructors_in_flight() {
    writes("cpp/catch.cpp", Statically, "each its own\n");
    writes("cpp/catch.cpp", Dynamically, "each its own\n");
}

#[test]
fn an_exception_that_leaves_a_fiber_ends_the_process() {
    let path = compile("cpp/throw.cpp", Statically);
    let ended = run(&mut program(&path));
    assert_eq!(ended.code, None, "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("foreign exception"), "{ended:?}");

    // The control: the same without the exception.
    let ended = run(program(&path).arg("quiet"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "it survived\n");
}

#[test]
fn a_fiber_of_cpp_hands_over_what_it_returns_or_throws_and_is_waited_for() {
    writes_everywhere("cpp/fibers.cpp", ["all joined\n"; 2]);
    writes("cpp/fibers.cpp", Statically, "all joined\n");
}

#[test]
fn fibers_of_a_scope_end_before_what_they_refer_to() {
    writes_everywhere("cpp/scope.cpp", ["all ended in their scopes\n"; 2]);
}

#[test]
fn a_coroutine_waits_for_a_fiber() {
    for compiler in cpp_compilers() {
        let path = compile_by(compiler, "c++20", "cpp/coroutine.cpp", Dynamically);
        let ended = run(&mut program(&path));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        // Some compilers have no coroutines that the standard library would accept; GCC has.
        let accepted = ["all awaited\n", "no coroutines\n"];
        assert!(
            accepted.contains(&ended.stdout.as_str()),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn a_c_program_awaits_an_async_function_of_rust_in_the_depth_of_qsort() {
    let output = "0 5 10 15 3 8 13 1 6 11 4 9 14 2 7 12\n\
                  5 10 15 3 8 13 1 6 11 16 4 9 14 2 7 12\n\
                  5 10 15 3 8 13 6 11 16 4 9 14 2 7 12 17\n\
                  5 10 15 3 8 13 18 6 11 16 4 9 14 7 12 17\n\
                  sorted side by side\n";
    writes(
        "../examples/qsort/main.c",
        ThroughExample("weights"),
        output,
    );
}

#[test]
fn functions_of_rust_are_what_the_header_written_for_them_says() {
    let output = "all as the header says\n";
    writes("c/exports.c", ThroughExample("exports"), output);
}

#[test]
fn every_compiler_accepts_the_headers_written_for_functions_of_rust() {
    let golden = crate_dir().join("../dtact-header/tests/golden");
    let entries = fs::read_dir(&golden).expect("the headers");
    let headers: Vec<_> = entries.map(|entry| entry.expect("one").path()).collect();
    let headers: Vec<_> = headers
        .iter()
        .filter(|path| path.extension() == Some("h".as_ref()))
        .collect();
    assert!(headers.len() > 2, "{headers:?}");
    let of_c = c_compilers().map(|compiler| (compiler, ["-std=c11", "-xc"]));
    let of_cpp = cpp_compilers().map(|compiler| (compiler, ["-std=c++17", "-xc++"]));
    for (compiler, language) in of_c.chain(of_cpp) {
        for defines in [&[][..], &["-DIS_UNIX"], &["-DIS_UNIX", "-DHAS_SLOW"]] {
            let mut command = Command::new(&compiler);
            command.args(language).args(defines).args([
                "-fsyntax-only",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Wundef",
                "-Werror",
            ]);
            command
                .arg("-I")
                .arg(crate_dir().join("include"))
                .args(&headers);
            let ended = run(&mut command);
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{compiler}");
        }
    }
}

#[test]
fn a_cpp_program_has_fibers_use_the_variables_around_them() {
    writes_everywhere("../examples/scope.cpp", ["500500\n"; 2]);
}

#[test]
fn the_examples_of_the_manual_run() {
    writes("c/manual.c", Statically, "hello, fiber\n");
    writes_everywhere("cpp/manual.cpp", ["42\n"; 2]);
}

#[test]
fn a_program_of_the_older_api_runs() {
    let output = "0\n2\n4\n6\n8\n10\n12\n14\nover\n";
    writes("c/process.c", Statically, output);
    writes("c/process.c", Dynamically, output);
    writes("cpp/process.cpp", Dynamically, output);
    let path = compile("c/process.c", Statically);
    for safety_level in ["0", "1", "2"] {
        let ended = run(program(&path).arg(safety_level));
        assert_eq!((ended.code, &*ended.stdout), (Some(0), output), "{ended:?}");
    }
}

#[test]
fn misuse_of_the_older_api_gets_an_error() {
    writes("c/process_misuse.c", Statically, "all refused\n");
}

#[test]
fn dtact_abort_ends_the_process() {
    let path = compile("c/abort.c", Statically);
    let ended = run(&mut program(&path));
    assert_eq!(ended.code, None, "{ended:?}");
    assert!(ended.stderr.contains("dtact_abort"), "{ended:?}");
}

/// AddressSanitizer says on its own that it does not know the stacks of fibers, so what is written
/// there is not compared; where it finds something, the program fails. On such a stack it cannot
/// follow a `throw`.
#[test]
#[cfg_attr(
    target_arch = "riscv64",
    ignore = "the tool counts on addresses of 38 bits there, and an emulator has more"
)]
fn the_sanitizers_of_the_compiler_find_no_bad_address() {
    for source in [
        "c/misuse.c",
        "c/process_misuse.c",
        "c/finalizer.c",
        "c/completions.c",
        "c/observe.c",
    ] {
        finds_nothing("-fsanitize=address", source);
    }
}

#[test]
#[cfg_attr(
    target_arch = "riscv64",
    ignore = "Debian's compiler for it lacks the library of the tool"
)]
fn the_sanitizers_of_the_compiler_find_no_undefined_behaviour() {
    for source in [
        "c/options.c",
        "c/timeout.c",
        "c/process_misuse.c",
        "c/completions.c",
        "cpp/scope.cpp",
        "cpp/fibers.cpp",
    ] {
        finds_nothing("-fsanitize=undefined", source);
    }
}

fn finds_nothing(flag: &str, source: &str) {
    let flags = [flag, "-fno-sanitize-recover=all"];
    let (compiler, standard) = if source.starts_with("c/") {
        (c_compiler(), "c11")
    } else {
        (cpp_compiler(), "c++17")
    };
    let path = compile_with(compiler, standard, &flags, source, Statically);
    let mut command = program(&path);
    // Who looks for leaks stops the threads as a debugger does, which an emulator cannot.
    if std::env::var_os("DTACT_EMULATED").is_some() {
        command.env("ASAN_OPTIONS", "detect_leaks=0");
    }
    let ended = run(&mut command);
    assert_eq!(ended.code, Some(0), "{source} {flag}: {}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}
