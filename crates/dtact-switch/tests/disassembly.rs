//! What the assembly has become, read back from this program: which instructions there are, where
//! stores go, and where indirect jumps land.
//!
//! It takes `objdump` for the architecture, from binutils or LLVM. Where there is none, each test
//! says so, and how to get it.
#![cfg(all(
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)),
    target_os = "linux"
))]
#![allow(unsafe_code, reason = "the tests call the switch")]
#![allow(clippy::print_stdout, reason = "a test that could not run says so")]

use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::AtomicPtr;

use dtact_switch::{
    Context, ContextSwitcher, CrossThread, CrossThreadFloat, CrossThreadNoFloat, Entry,
    SameThreadFloat, SameThreadNoFloat, StackBounds, Transfer,
};

/// Defines the inline forms as functions that can be found by name.
macro_rules! inlined {
    ($($name:ident: $switcher:ty;)*) => {
        $(
            /// # Safety
            ///
            /// Those of the switch.
            #[inline(never)]
            unsafe extern "C" fn $name(to: Context, message: *mut ()) -> Transfer {
                // SAFETY: passed on to the caller.
                unsafe { <$switcher>::switch(to, message) }
            }
        )*
        /// Keeps all of them in the program.
        fn keep() {
            $(black_box($name as unsafe extern "C" fn(_, _) -> _);)*
            $(black_box(<$switcher>::SWITCH_NAKED);)*
        }
    };
}

// For one kind the same code serves both thread variants, which the compiler may find out.
inlined! {
    inlined_float: SameThreadFloat;
    inlined_no_float: SameThreadNoFloat;
}

/// # Safety
///
/// Those of the switch.
#[inline(never)]
unsafe extern "C" fn publishing_float(
    to: Context,
    message: *mut (),
    slot: &AtomicPtr<()>,
) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { CrossThreadFloat::switch_publishing(to, message, slot) }
}

/// # Safety
///
/// Those of the switch.
#[inline(never)]
unsafe extern "C" fn publishing_no_float(
    to: Context,
    message: *mut (),
    slot: &AtomicPtr<()>,
) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { CrossThreadNoFloat::switch_publishing(to, message, slot) }
}

/// A fresh context, so that the start of one is in the program.
///
/// # Safety
///
/// Those of [`Context::new`].
unsafe fn fresh(stack: StackBounds, entry: Entry) -> Context {
    // SAFETY: passed on to the caller.
    unsafe { Context::new(stack, entry) }
}

/// All functions here that are a form of the switch with FP control state, by a part of their
/// names.
const FLOAT: [&str; 3] = ["switch_naked_float", "inlined_float", "publishing_float"];
const NO_FLOAT: [&str; 3] = [
    "switch_naked_no_float",
    "inlined_no_float",
    "publishing_no_float",
];

/// What differs between architectures.
struct Architecture {
    /// Programs that read its instructions, each with a package that has it.
    programs: &'static [&'static str],
    get: &'static str,
    /// The instructions that read and that write FP control state: each list, one of each entry.
    fp_control: &'static [&'static str],
    /// What an indirect call may land on, and an indirect jump; none where there is no such thing.
    call_pads: &'static [&'static str],
    jump_pads: &'static [&'static str],
    /// What takes the address at which a suspended context goes on.
    takes_address: &'static str,
    /// What leads out of line, and how the code there ends.
    jumps: &'static [&'static str],
    ends: &'static [&'static str],
}

#[cfg(target_arch = "x86_64")]
const HERE: Architecture = Architecture {
    programs: &["objdump", "llvm-objdump"],
    get: "apt-get install -y --no-install-recommends binutils",
    fp_control: &["stmxcsr", "ldmxcsr", "fnstcw", "fldcw"],
    call_pads: &["endbr64"],
    jump_pads: &["endbr64"],
    takes_address: "lea",
    jumps: &["jmp "],
    ends: &["jmp *"],
};
#[cfg(target_arch = "aarch64")]
const HERE: Architecture = Architecture {
    programs: &["aarch64-linux-gnu-objdump", "llvm-objdump", "objdump"],
    get: "apt-get install -y --no-install-recommends binutils-aarch64-linux-gnu",
    fp_control: &["mrs", "msr"],
    call_pads: &["bti c", "bti jc", "hint #34", "paciasp"],
    jump_pads: &["bti j", "bti jc", "hint #36"],
    takes_address: "adr",
    jumps: &["b "],
    ends: &["br "],
};
#[cfg(target_arch = "riscv64")]
const HERE: Architecture = Architecture {
    programs: &["riscv64-linux-gnu-objdump", "llvm-objdump", "objdump"],
    get: "apt-get install -y --no-install-recommends binutils-riscv64-linux-gnu",
    fp_control: &["frcsr", "fscsr"],
    call_pads: &[],
    jump_pads: &[],
    takes_address: "auipc",
    jumps: &["j ", "jr ", "jal "],
    ends: &["jr ", "ret"],
};

/// One instruction.
#[derive(Clone, Debug)]
struct Instruction {
    address: u64,
    /// Its text, with single blanks.
    text: String,
}

impl Instruction {
    fn is_one_of(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.text.starts_with(text))
    }
}

/// A function of the program, and what it has out of line.
#[derive(Debug)]
struct Function {
    name: String,
    code: Vec<Instruction>,
}

/// The functions whose names have one of these parts. `None`: there is no program to read them.
fn functions(parts: &[&str]) -> Option<Vec<Function>> {
    keep();
    black_box(fresh as unsafe fn(_, _) -> _);
    black_box(publishing_float as unsafe extern "C" fn(_, _, _) -> _);
    black_box(publishing_no_float as unsafe extern "C" fn(_, _, _) -> _);
    let this = std::env::current_exe().expect("a test knows its own path");
    let read = |program: &&str| {
        let output = Command::new(program)
            .args(["--disassemble", "--demangle", "--no-show-raw-insn"])
            .arg(&this)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // One for another architecture shows nothing.
        (output.status.success() && text.contains("switch_naked")).then_some(text)
    };
    let Some(text) = HERE.programs.iter().find_map(read) else {
        println!(
            "SKIPPED: none of {:?} reads this program; get one with: {}",
            HERE.programs, HERE.get
        );
        return None;
    };
    let mut all: Vec<Instruction> = Vec::new();
    let mut found: Vec<Function> = Vec::new();
    let mut is_wanted = false;
    for line in text.lines() {
        if let Some((_, name)) = line
            .strip_suffix(">:")
            .and_then(|line| line.split_once('<'))
        {
            is_wanted = parts.iter().any(|part| is_function(name, part));
            if is_wanted {
                found.push(Function {
                    name: name.to_owned(),
                    code: Vec::new(),
                });
            }
        } else if let Some((address, code)) = line.split_once(':') {
            let Ok(address) = u64::from_str_radix(address.trim(), 16) else {
                continue;
            };
            let words: Vec<&str> = code.split_whitespace().collect();
            let text = words.join(" ");
            let instruction = Instruction { address, text };
            if is_wanted {
                let function = found.last_mut().expect("begun above");
                function.code.push(instruction.clone());
            }
            all.push(instruction);
        }
    }
    for function in &mut found {
        add_out_of_line(function, &all);
    }
    for part in parts {
        let is_found = |function: &Function| is_function(&function.name, part);
        assert!(found.iter().any(is_found), "{part} is not in the program");
    }
    Some(found)
}

/// Adds what a function jumps to that has no name: the part of a switch that moves the stack
/// pointer. It ends in an indirect jump.
fn add_out_of_line(function: &mut Function, all: &[Instruction]) {
    let is_inside = |address| function.code.iter().any(|code| code.address == address);
    let is_jump = |code: &&Instruction| code.is_one_of(HERE.jumps);
    let target = |code: &Instruction| {
        // `jmp 1234 <name+0x56>`: a place without a name, behind something that has one.
        let (before, place) = code.text.split_once(" <")?;
        let number = before.rsplit([' ', ',']).next()?;
        let address = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
        (place.contains("+0x") && !is_inside(address)).then_some(address)
    };
    let targets: Vec<u64> = function
        .code
        .iter()
        .filter(is_jump)
        .filter_map(target)
        .collect();
    for address in targets {
        let Ok(first) = all.binary_search_by_key(&address, |code| code.address) else {
            continue;
        };
        let is_end = |code: &Instruction| code.is_one_of(HERE.ends);
        let length = all[first..].iter().position(is_end).expect("it ends");
        function
            .code
            .extend_from_slice(&all[first..=first + length]);
    }
}

/// Whether a demangled name ends in this function's.
fn is_function(name: &str, part: &str) -> bool {
    // An old mangling leaves a hash behind.
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => name,
    };
    let before = name.strip_suffix(part);
    before.is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

/// Whether the instruction is this one of FP control state.
fn is_fp_control(instruction: &Instruction, name: &str) -> bool {
    let is_named = instruction.text.split(' ').next() == Some(name);
    // On AArch64 many registers are read and written by the same instructions.
    is_named && (cfg!(not(target_arch = "aarch64")) || instruction.text.contains("fpcr"))
}

#[test]
fn forms_with_float_state_read_and_write_it_and_the_others_never_touch_it() {
    let Some(float) = functions(&FLOAT) else {
        return;
    };
    for function in float {
        for name in HERE.fp_control {
            let is_this = |instruction: &Instruction| is_fp_control(instruction, name);
            assert!(function.code.iter().any(is_this), "{name}: {function:?}");
        }
    }
    let no_float = functions(&NO_FLOAT).expect("as above");
    for function in no_float {
        for instruction in &function.code {
            let text = &instruction.text;
            let touches = [
                "mxcsr", "fldcw", "stcw", "fpcr", "fpsr", "csr", "fsflags", "fsrm",
            ];
            assert!(
                !touches.iter().any(|part| text.contains(part)),
                "{}: {text}",
                function.name
            );
        }
    }
}

/// An access at a negative offset from the stack pointer, which does not move it by the same
/// instruction.
fn is_below_stack_pointer(text: &str) -> bool {
    if cfg!(target_arch = "x86_64") {
        text.split_once("(%rsp")
            .is_some_and(|(before, _)| offset_is_negative(before))
    } else if cfg!(target_arch = "aarch64") {
        text.split_once("[sp, #-")
            .is_some_and(|(_, after)| !after.contains("]!"))
    } else {
        text.split_once("(sp)")
            .is_some_and(|(before, _)| offset_is_negative(before))
    }
}

/// Whether what ends here, up to a comma or a blank, is a negative number.
fn offset_is_negative(before: &str) -> bool {
    let offset = before.rsplit([',', ' ']).next();
    offset.is_some_and(|offset| offset.starts_with('-'))
}

#[test]
fn nothing_is_accessed_below_the_stack_pointer() {
    let parts = [&FLOAT[..], &NO_FLOAT, &["chosen::start"]].concat();
    let Some(functions) = functions(&parts) else {
        return;
    };
    let mut by_stack_pointer = 0;
    for function in functions {
        for instruction in &function.code {
            let text = &instruction.text;
            assert!(!is_below_stack_pointer(text), "{}: {text}", function.name);
            // On x86-64 most of them go by `push` and `pop`, which move the pointer themselves.
            let uses = ["(%rsp", "push", "pop", "[sp", "(sp)"];
            by_stack_pointer += usize::from(uses.iter().any(|it| text.contains(it)));
        }
    }
    assert!(by_stack_pointer > 20, "accesses are recognised");
}

#[test]
fn accesses_below_the_stack_pointer_are_recognised() {
    let (below, not) = if cfg!(target_arch = "x86_64") {
        ("mov %rbx,-0x8(%rsp)", "mov %rbx,0x8(%rsp)")
    } else if cfg!(target_arch = "aarch64") {
        ("str x19, [sp, #-8]", "stp x19, x29, [sp, #-16]!")
    } else {
        ("sd s0,-8(sp)", "sd s0,8(sp)")
    };
    assert!(is_below_stack_pointer(below));
    assert!(!is_below_stack_pointer(not));
}

/// The address that an instruction takes, where it is one in the same function.
fn address_taken(instruction: &Instruction, function: &Function) -> Option<u64> {
    if instruction.text.split(' ').next() != Some(HERE.takes_address) {
        return None;
    }
    // `… # 1234 <name+0x56>` or `adr x3, 1234 <name+0x56>`.
    let (before, _) = instruction.text.split_once(" <")?;
    let number = before.rsplit([' ', ',']).next()?;
    let number = number.strip_prefix("0x").unwrap_or(number);
    let address = u64::from_str_radix(number, 16).ok()?;
    let is_inside = |instruction: &Instruction| instruction.address == address;
    function.code.iter().any(is_inside).then_some(address)
}

#[test]
fn indirect_calls_and_jumps_land_on_pads() {
    if HERE.call_pads.is_empty() {
        // RISC-V: pads (Zicfilp) are not claimed.
        return;
    }
    let Some(naked) = functions(&["switch_naked_float", "switch_naked_no_float"]) else {
        return;
    };
    for function in &naked {
        assert!(function.code[0].is_one_of(HERE.call_pads), "{function:?}");
    }
    let all = functions(&[&FLOAT[..], &NO_FLOAT].concat()).expect("as above");
    for function in &all {
        let mut taken = 0;
        for instruction in &function.code {
            let Some(address) = address_taken(instruction, function) else {
                continue;
            };
            taken += 1;
            let is_there = |instruction: &&Instruction| instruction.address == address;
            let pad = function.code.iter().find(is_there).expect("inside");
            assert!(pad.is_one_of(HERE.jump_pads), "{}: {pad:?}", function.name);
        }
        assert!(taken > 0, "the address to go on at: {function:?}");
    }
    // A fresh stack begins inside of `start`, after what makes a walk find it.
    let start = functions(&["chosen::start"]).expect("as above");
    let has_pad = |function: &Function| {
        let mut first = function.code.iter().take(2);
        first.any(|code| code.is_one_of(HERE.jump_pads) || code.is_one_of(HERE.call_pads))
    };
    assert!(start.iter().any(has_pad), "{start:?}");
}

/// What the processor or the loader would be told about shadow stacks, which a switch breaks.
#[test]
fn shadow_stacks_are_not_advertised() {
    let this = std::env::current_exe().expect("a test knows its own path");
    let read = |program: &str| {
        let mut command = Command::new(program);
        let output = command
            .args(["--notes", "--wide"])
            .arg(&this)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success() && text.contains("GNU")).then_some(text)
    };
    let Some(notes) = read("readelf").or_else(|| read("llvm-readelf")) else {
        println!("SKIPPED: readelf is not here; get it with: {}", HERE.get);
        return;
    };
    for property in ["SHSTK", "GCS", "CFI-SS"] {
        assert!(!notes.contains(property), "{notes}");
    }
}
