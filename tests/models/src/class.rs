//! `src/class` of the library, on loom.

#[path = "../../../src/class/net/napi.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod napi;
