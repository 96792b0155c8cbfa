//! Programs in C and C++ that use the library as its users do.

use std::process::Command;

use crate::toolchain::{
    Ended,
    Linked::{self, Dynamically, Statically},
    compile, run,
};

/// Compiles a program, runs it, and compares what it writes. It has nothing to complain about.
fn writes(source: &str, linked: Linked, output: &str) {
    let ended = run(&mut Command::new(compile(source, linked)));
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
fn a_fiber_has_the_name_and_the_stack_that_its_options_say() {
    writes("c/options.c", Statically, "all as asked for\n");
}

#[test]
fn the_header_stands_alone_and_twice() {
    writes("c/strict.c", Dynamically, "");
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
    let program = compile("cpp/throw.cpp", Statically);
    let ended = run(&mut Command::new(&program));
    assert_eq!(ended.code, None, "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("foreign exception"), "{ended:?}");

    // The control: the same without the exception.
    let ended = run(Command::new(&program).arg("quiet"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "it survived\n");
}
