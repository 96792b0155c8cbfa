//! Headers as those have them who ask for one: by the library and by the command.

mod agrees;
mod command;
mod common;
mod refused;
mod written;
