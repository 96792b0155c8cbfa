//! What it takes to build for a target and to run there.

use crate::shell::Tool;
use crate::wine;

pub(super) const MUSL: [Tool; 1] = [library(
    "the standard library for x86_64-unknown-linux-musl",
    &library_is_here("x86_64-unknown-linux-musl"),
    "rustup target add x86_64-unknown-linux-musl",
)];

pub(super) const WINDOWS: [Tool; 3] = [
    library(
        "the standard library for x86_64-pc-windows-gnu",
        &library_is_here("x86_64-pc-windows-gnu"),
        "rustup target add x86_64-pc-windows-gnu",
    ),
    wine::MINGW,
    wine::WINE,
];

pub(super) const AARCH64: [Tool; 4] = [
    library(
        "the standard library for aarch64-unknown-linux-gnu",
        &library_is_here("aarch64-unknown-linux-gnu"),
        "rustup target add aarch64-unknown-linux-gnu",
    ),
    Tool {
        name: "a C compiler and library for AArch64",
        probe: &[
            "sh",
            "-c",
            "aarch64-linux-gnu-gcc --version && test -e /usr/aarch64-linux-gnu/lib/crt1.o",
        ],
        get: "apt-get update && apt-get install -y --no-install-recommends \
              gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        may_lack: false,
    },
    Tool {
        name: "a C++ compiler and library for AArch64",
        probe: &["aarch64-linux-gnu-g++", "--version"],
        get: "apt-get update && apt-get install -y --no-install-recommends g++-aarch64-linux-gnu",
        may_lack: false,
    },
    emulator("an emulator of AArch64", &["qemu-aarch64", "--version"]),
];

pub(super) const RISCV64: [Tool; 4] = [
    library(
        "the standard library for riscv64gc-unknown-linux-gnu",
        &library_is_here("riscv64gc-unknown-linux-gnu"),
        "rustup target add riscv64gc-unknown-linux-gnu",
    ),
    Tool {
        name: "a C compiler and library for RISC-V 64",
        probe: &[
            "sh",
            "-c",
            "riscv64-linux-gnu-gcc --version && test -e /usr/riscv64-linux-gnu/lib/crt1.o",
        ],
        get: "apt-get update && apt-get install -y --no-install-recommends \
              gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
        may_lack: false,
    },
    Tool {
        name: "a C++ compiler and library for RISC-V 64",
        probe: &["riscv64-linux-gnu-g++", "--version"],
        get: "apt-get update && apt-get install -y --no-install-recommends g++-riscv64-linux-gnu",
        may_lack: false,
    },
    emulator("an emulator of RISC-V 64", &["qemu-riscv64", "--version"]),
];

/// The probe for a target's standard library: rustc names the folder whether or not it is there.
const fn library_is_here(triple: &'static str) -> [&'static str; 4] {
    [
        "sh",
        "-c",
        "test -e \"$(rustc --print target-libdir --target $0)\"",
        triple,
    ]
}

const fn library(name: &'static str, probe: &'static [&'static str], get: &'static str) -> Tool {
    Tool {
        name,
        probe,
        get,
        may_lack: false,
    }
}

const fn emulator(name: &'static str, probe: &'static [&'static str]) -> Tool {
    Tool {
        name,
        probe,
        get: "apt-get update && apt-get install -y --no-install-recommends qemu-user",
        may_lack: false,
    }
}
