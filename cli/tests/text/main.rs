//! Every command as its users meet it, walked from the definition: none can be missing. Needs no device.
//!
//! Texts are compared with the files below `snapshots/`. After a change that is meant, look at them:
//! `INSTA_UPDATE=always cargo test -p dirql-cli --test text; git diff`.

#![forbid(unsafe_code)]

#[allow(dead_code, unused_imports)]
#[path = "../../src/args/mod.rs"]
mod args;

mod documents;
mod help;
mod messages;
mod run;
mod terminal;
mod tree;
