//! A dump as JSON (RFC 8259), for programs.

use core::fmt::{self, Write};

use super::{Dump, FiberDump, FiberStatus};

/// Writes the whole.
pub(super) fn write(dump: &Dump, out: &mut String) -> fmt::Result {
    out.write_str("{\"fibers\":[")?;
    for (place, fiber) in dump.fibers().iter().enumerate() {
        if place != 0 {
            out.write_str(",")?;
        }
        out.write_str("\n")?;
        write_fiber(dump, fiber, out)?;
    }
    out.write_str("\n]}\n")
}

fn write_fiber(dump: &Dump, fiber: &FiberDump, out: &mut String) -> fmt::Result {
    out.write_str("{")?;
    write_name(fiber, out)?;
    out.write_str(",\"state\":")?;
    write_text(
        out,
        match fiber.status {
            FiberStatus::Runnable => "runnable",
            FiberStatus::Parked => "parked",
            FiberStatus::Ended => "ended",
        },
    )?;
    out.write_str(",\"age_ns\":")?;
    match fiber.age() {
        Some(age) => write!(out, "{}", age.as_nanos())?,
        None => out.write_str("null")?,
    }
    out.write_str(",\"name\":")?;
    match fiber.name() {
        Some(name) => write_text(out, name)?,
        None => out.write_str("null")?,
    }
    out.write_str(",\"priority\":")?;
    write_word(out, fiber.priority())?;
    out.write_str(",\"kind\":")?;
    write_word(out, fiber.kind())?;
    out.write_str(",\"affinity\":")?;
    write_word(out, fiber.affinity())?;
    out.write_str(",\"waits_for\":")?;
    match dump.waits_for(fiber) {
        Some(awaited) => {
            out.write_str("{")?;
            write_name(awaited, out)?;
            out.write_str("}")?;
        }
        None => out.write_str("null")?,
    }
    out.write_str(",\"worker\":")?;
    match fiber.worker() {
        Some(worker) => write!(out, "{worker}")?,
        None => out.write_str("null")?,
    }
    write!(
        out,
        ",\"is_pinned\":{},\"stack_bytes_min\":{}",
        fiber.is_pinned, fiber.stack_bytes_min
    )?;
    out.write_str(",\"spawned_at\":")?;
    match fiber.location() {
        Some(location) => {
            out.write_str("{\"file\":")?;
            write_text(out, location.file())?;
            let (line, column) = (location.line(), location.column());
            write!(out, ",\"line\":{line},\"column\":{column}}}")?;
        }
        None => out.write_str("null")?,
    }
    match dump.stack(fiber) {
        Ok(stack) => {
            out.write_str(",\"stack\":[")?;
            for (place, frame) in stack.frames().iter().enumerate() {
                if place != 0 {
                    out.write_str(",")?;
                }
                write_text(out, frame)?;
            }
            out.write_str("]}")
        }
        Err(reason) => {
            out.write_str(",\"stack\":null,\"no_stack\":")?;
            write_text(out, &reason.to_string())?;
            out.write_str("}")
        }
    }
}

/// The members that say which fiber it is.
fn write_name(fiber: &FiberDump, out: &mut String) -> fmt::Result {
    let (bytes, slot) = fiber.place();
    let generation = fiber.generation;
    write!(
        out,
        "\"cell_bytes\":{bytes},\"slot\":{slot},\"generation\":{generation}"
    )
}

/// The name of a variant, in lower case.
fn write_word(out: &mut String, variant: impl fmt::Debug) -> fmt::Result {
    write_text(out, &format!("{variant:?}").to_lowercase())
}

/// A string: what must be escaped is, and so is DEL, which terminals act on.
fn write_text(out: &mut String, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\t' => out.write_str("\\t")?,
            '\r' => out.write_str("\\r")?,
            // Line ends for JavaScript, not for JSON.
            '\u{2028}' | '\u{2029}' => write!(out, "\\u{:04x}", u32::from(letter))?,
            letter if letter.is_control() => write!(out, "\\u{:04x}", u32::from(letter))?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::write_text;

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        write_text(&mut out, "a\"b\\c\n\u{0}\u{1f}\u{7f}\u{9b}\u{2028}é😀").expect("memory");
        assert_eq!(
            out,
            "\"a\\\"b\\\\c\\n\\u0000\\u001f\\u007f\\u009b\\u2028é😀\""
        );
    }
}
