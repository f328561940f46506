//! The steps' waits for somebody outside.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dirql::Result;

use super::head::{PATIENCE, wrong};

/// Says that it is here, and waits until somebody makes the file.
pub fn pause(file: &str) -> Result<()> {
    println!("at {file}");
    let deadline = Instant::now() + PATIENCE;
    while !Path::new(file).exists() {
        if Instant::now() >= deadline {
            return Err(wrong(format!("nobody made {file}")));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
