//! The five Windows interfaces of `dirql::ddi`, a test for each thing that they promise, on the model backend.

#[path = "../support/mod.rs"]
mod support;

mod dxgk;
mod ke;
mod ndis;
mod pshed;
mod shared;
mod video_port;
