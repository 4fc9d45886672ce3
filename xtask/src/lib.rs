//! The project's commands, as a library. The program `cargo xtask` calls it. The system tests use it to call the local
//! stack, to make tokens and to read the mailbox.

pub mod aws;
pub mod bench;
pub mod canaries;
pub mod ci;
pub mod clients;
pub mod clock;
pub mod cost;
pub mod explanation;
pub mod interrupt;
pub mod issuer;
pub mod lock;
pub mod mailbox;
pub mod openapi;
pub mod preflight;
pub mod probe;
pub mod progress;
pub mod sbom;
pub mod stack;
pub mod stack_file;
pub mod template;
pub mod test;
pub mod token;
pub mod workspace;
pub mod yaml;

mod cargo_tool;
mod demo;
mod deploy;
mod deployable;
mod emulator;
mod functions;
mod process;
mod python;

pub use stack_file::StackFile;
