//! Whoever looks at a screen from outside, over the Remote Framebuffer Protocol (RFC 6143) as QEMU speaks it: resizes the
//! monitor, and sees the cursor, which a screen's dump does not have.

use crate::Result;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const NO_AUTHENTICATION: u8 = 1;
const SET_ENCODINGS: u8 = 2;
const SET_DESKTOP_SIZE: u8 = 251;
/// Pseudo-encodings: what comes in the place of pixels.
const DESKTOP_SIZE: i32 = -308;
const CURSOR_WITH_ALPHA: i32 = -314;

/// A viewer of one head of a display.
pub struct Viewer {
    stream: UnixStream,
    cursor: Option<CursorShape>,
    size: Option<(u16, u16)>,
}

/// A cursor as QEMU shows it to a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorShape {
    /// Where in it the hot spot is.
    pub hot: (u16, u16),
    /// Pixels of a line, and lines.
    pub size: (u16, u16),
    /// Line after line, each 0xAARRGGBB.
    pub pixels: Vec<u32>,
}

impl Viewer {
    /// Shakes hands, and asks to be told of sizes and cursors.
    pub(crate) fn connect(socket: &Path) -> Result<Viewer> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let version = *b"RFB 003.008\n";
        if read::<12>(&mut stream)? != version {
            return Err("a viewer was not greeted by version 3.8 of RFB".into());
        }
        stream.write_all(&version)?;
        let [methods] = read(&mut stream)?;
        let mut offered = vec![0; methods.into()];
        stream.read_exact(&mut offered)?;
        if !offered.contains(&NO_AUTHENTICATION) {
            return Err(format!("QEMU wants to know who looks: {offered:?}").into());
        }
        stream.write_all(&[NO_AUTHENTICATION])?;
        if read(&mut stream)? != [0; 4] {
            return Err("a viewer was refused".into());
        }
        // Others may look too.
        stream.write_all(&[1])?;
        let initialization: [u8; 24] = read(&mut stream)?;
        let name = u32::from_be_bytes([20, 21, 22, 23].map(|at| initialization[at]));
        stream.read_exact(&mut vec![0; name as usize])?;
        let mut message = vec![SET_ENCODINGS, 0, 0, 2];
        message.extend([DESKTOP_SIZE, CURSOR_WITH_ALPHA].map(i32::to_be_bytes).as_flattened());
        stream.write_all(&message)?;
        Ok(Viewer { stream, cursor: None, size: None })
    }

    /// Makes the monitor another one, which prefers this size.
    pub fn resize(&mut self, width: u16, height: u16) -> Result<()> {
        let ([wide, narrow], [high, low]) = (width.to_be_bytes(), height.to_be_bytes());
        let mut message = vec![SET_DESKTOP_SIZE, 0, wide, narrow, high, low, 1, 0];
        // The one screen of it: its number, where it is, its size, its flags.
        message.extend([0, 0, 0, 0, 0, 0, 0, 0, wide, narrow, high, low, 0, 0, 0, 0]);
        Ok(self.stream.write_all(&message)?)
    }

    /// Waits until the cursor is as wanted, and gives it.
    pub fn cursor(&mut self, wanted: impl Fn(&CursorShape) -> bool) -> Result<CursorShape> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(cursor) = self.cursor.as_ref().filter(|cursor| wanted(cursor)) {
                return Ok(cursor.clone());
            }
            if Instant::now() > deadline {
                return Err(format!("the cursor did not come; the last one was {:?}", self.cursor).into());
            }
            self.receive()?;
        }
    }

    /// Waits until the screen has this size.
    pub fn wait_for_size(&mut self, width: u16, height: u16) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.size != Some((width, height)) {
            if Instant::now() > deadline {
                return Err(format!("the size is {:?}, wanted {:?}", self.size, (width, height)).into());
            }
            self.receive()?;
        }
        Ok(())
    }

    /// Takes the next message.
    fn receive(&mut self) -> Result<()> {
        let [kind] = read(&mut self.stream)?;
        match kind {
            0 => {
                let [_, high, low] = read(&mut self.stream)?;
                (0..u16::from_be_bytes([high, low])).try_for_each(|_| self.rectangle())
            }
            // A bell.
            2 => Ok(()),
            3 => {
                let [.., a, b, c, d] = read::<7>(&mut self.stream)?;
                let text = u64::from(u32::from_be_bytes([a, b, c, d]));
                Ok(io::copy(&mut (&self.stream).take(text), &mut io::sink()).map(drop)?)
            }
            kind => Err(format!("QEMU tells a viewer something of kind {kind}").into()),
        }
    }

    fn rectangle(&mut self) -> Result<()> {
        let header: [u8; 12] = read(&mut self.stream)?;
        let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (hot, size) = ((number(0), number(2)), (number(4), number(6)));
        match i32::from_be_bytes([8, 9, 10, 11].map(|at| header[at])) {
            DESKTOP_SIZE => {
                let [screens, ..] = read::<4>(&mut self.stream)?;
                (0..screens).try_for_each(|_| read::<16>(&mut self.stream).map(drop))?;
                self.size = Some(size);
            }
            CURSOR_WITH_ALPHA => {
                if read(&mut self.stream)? != [0; 4] {
                    return Err("a cursor comes encoded".into());
                }
                let mut bytes = vec![0; usize::from(size.0) * usize::from(size.1) * 4];
                self.stream.read_exact(&mut bytes)?;
                // As it lies in this machine's memory.
                let (pixels, _) = bytes.as_chunks();
                let pixels = pixels.iter().map(|&pixel| u32::from_ne_bytes(pixel)).collect();
                self.cursor = Some(CursorShape { hot, size, pixels });
            }
            encoding => {
                return Err(format!("QEMU sends a viewer encoding {encoding}, which nobody asked for").into());
            }
        }
        Ok(())
    }
}

fn read<const N: usize>(stream: &mut UnixStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).map_err(|error| format!("QEMU tells a viewer nothing: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A viewer, and QEMU's end.
    fn pair() -> (Viewer, UnixStream) {
        let (stream, server) = UnixStream::pair().unwrap();
        (Viewer { stream, cursor: None, size: None }, server)
    }

    #[test]
    fn a_cursor_and_a_size_are_seen_between_other_messages() {
        let (mut viewer, mut server) = pair();
        let mut messages = vec![2, 3, 0, 0, 0, 0, 0, 0, 2, b'h', b'i', 0, 0, 0, 2];
        messages.extend([0, 0, 0, 4, 3, 0, 2, 88]);
        messages.extend(DESKTOP_SIZE.to_be_bytes());
        messages.extend([1, 0, 0, 0]);
        messages.extend([0; 16]);
        messages.extend([0, 1, 0, 0, 0, 2, 0, 1]);
        messages.extend(CURSOR_WITH_ALPHA.to_be_bytes());
        messages.extend([0; 4]);
        messages.extend([0x8011_2233_u32, 7].map(u32::to_ne_bytes).as_flattened());
        server.write_all(&messages).unwrap();
        let wanted = CursorShape { hot: (1, 0), size: (2, 1), pixels: vec![0x8011_2233, 7] };
        assert_eq!(viewer.cursor(|_| true).unwrap(), wanted);
        viewer.wait_for_size(768, 600).unwrap();
        drop(server);
        assert!(viewer.cursor(|cursor| cursor.hot == (9, 9)).is_err());
    }

    #[test]
    fn a_size_is_asked_for_with_one_screen() {
        let (mut viewer, mut server) = pair();
        viewer.resize(0x320, 0x258).unwrap();
        let message: [u8; 24] = read(&mut server).unwrap();
        assert_eq!(message[..8], [251, 0, 3, 0x20, 2, 0x58, 1, 0]);
        assert_eq!(message[16..20], [3, 0x20, 2, 0x58]);
    }
}
