//! Frames towards a NIC at a given rate, whether it takes them or not.

use crate::Result;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// From one burst to the next.
const PACE: Duration = Duration::from_micros(200);
/// How many frames one call hands to the kernel, which takes them apart again.
const SEGMENTS: usize = 32;
/// After a delay so many paces are made up for, and not more: a burst that no schedule asked for is no fair offer.
const CATCH_UP: u32 = 4;

/// A thread that sends one frame again and again, at an even pace.
pub struct Offer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    over: AtomicBool,
}

impl Offer {
    pub(crate) fn new(frame: &[u8], rate: u64, qemu: SocketAddr) -> Result<Offer> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        setsockopt(&socket, sockopt::UdpGsoSegment, &i32::try_from(frame.len())?)?;
        let burst = frame.repeat(SEGMENTS);
        let size = frame.len();
        let shared = Arc::new(Shared::default());
        let other = shared.clone();
        let send = move |count: u64| -> Result<()> {
            let mut left = count as usize;
            while left > 0 {
                let now = left.min(SEGMENTS);
                socket.send_to(&burst[..now * size], qemu)?;
                left -= now;
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("offer".into()).spawn(move || other.run(rate, send))?;
        Ok(Offer { shared, thread: Some(thread) })
    }

    /// How many frames were sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Stops, and tells how many frames were sent in all.
    pub fn stop(mut self) -> Result<u64> {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| "the thread that offers frames has panicked")??;
        }
        Ok(self.sent())
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn run(&self, rate: u64, send: impl Fn(u64) -> Result<()>) -> Result<()> {
        let (mut last, mut credit) = (Instant::now(), 0.0);
        while !self.over.load(Ordering::Relaxed) {
            thread::sleep(PACE);
            let now = Instant::now();
            let passed = (now - last).min(PACE * CATCH_UP);
            last = now;
            credit += passed.as_secs_f64() * rate as f64;
            let due = credit as u64;
            credit -= due as f64;
            send(due)?;
            self.sent.fetch_add(due, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_arrives_as_one_datagram() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let frame: Vec<u8> = (0..60).collect();
        let offer = Offer::new(&frame, 100_000, socket.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 100];
        for _ in 0..100 {
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], frame);
        }
        assert!(offer.stop().unwrap() >= 100);
    }
}
