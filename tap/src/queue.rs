//! A queue: frames by reads and writes that never wait.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dirql::class::net::{Frame, Outgoing};

use crate::header::{self, Header};

/// Pieces of a frame that are written without a list on the heap.
const PIECES: usize = 8;

/// A queue of a TAP interface. What the kernel sends is read from it, and what it shall receive is written to it.
#[derive(Debug)]
pub struct TapQueue {
    file: File,
    has_header: bool,
}

impl TapQueue {
    /// A queue on a descriptor that keeps the frames apart and does not wait; whether headers stand before them.
    pub fn new(fd: OwnedFd, has_header: bool) -> Self {
        Self { file: fd.into(), has_header }
    }

    /// Reads the next frame into `room`, and says what the kernel left to do with it; `None` where there is none.
    /// One that does not fit, or that cannot be understood, is passed over.
    ///
    /// # Errors
    /// Where the kernel says so: `EBADFD` of an interface that is gone.
    pub fn read(&self, room: &mut [u8]) -> io::Result<Option<Outgoing>> {
        loop {
            let mut header = [0; header::LEN];
            let before = if self.has_header { header::LEN } else { 0 };
            // A byte more than there is room for tells a frame that does not fit.
            let mut beyond = [0];
            let mut pieces =
                [IoSliceMut::new(&mut header[..before]), IoSliceMut::new(room), IoSliceMut::new(&mut beyond)];
            let read = match (&self.file).read_vectored(&mut pieces) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let frame = read.checked_sub(before).filter(|&len| len > 0).and_then(|len| room.get(..len));
            match frame.and_then(|frame| header::outgoing(&header, frame)) {
                Some(outgoing) => return Ok(Some(outgoing)),
                None if read == 0 => return Ok(None),
                None => log::debug!("a frame of {} bytes cannot be sent", read.saturating_sub(before)),
            }
        }
    }

    /// Lets the kernel receive a frame; false where it does not want it, as while the interface is down.
    ///
    /// # Errors
    /// Where the kernel says so: `EBADFD` of an interface that is gone.
    pub fn write(&self, frame: &Frame<'_>) -> io::Result<bool> {
        let header: Header = header::incoming(&frame.incoming);
        let before = if self.has_header { header::LEN } else { 0 };
        let mut pieces = [IoSlice::new(&[]); PIECES + 1];
        pieces[0] = IoSlice::new(&header[..before]);
        let whole;
        let parts = frame.parts();
        let used = match parts.len() {
            count if count <= PIECES => {
                pieces[1..].iter_mut().zip(parts).for_each(|(to, part)| *to = IoSlice::new(part));
                1 + count
            }
            _ => {
                whole = frame.bytes();
                pieces[1] = IoSlice::new(&whole);
                2
            }
        };
        loop {
            return match (&self.file).write_vectored(&pieces[..used]) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_refusal(&error) => Ok(false),
                Err(error) => Err(error),
            };
        }
    }
}

impl AsFd for TapQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether the kernel refused a frame, and not all of them: the interface is down, has no room, or the frame is none.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [libc::EIO, libc::EAGAIN, libc::EINVAL, libc::ENOMEM, libc::ENOBUFS];
    error.raw_os_error().is_some_and(|errno| refusals.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use dirql::class::net::{Checksum, Incoming, ReceivedChecksum};

    use super::*;

    fn pair(has_header: bool) -> (TapQueue, UnixDatagram) {
        let (ours, kernel) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (TapQueue::new(ours.into(), has_header), kernel)
    }

    fn received(kernel: &UnixDatagram) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let len = kernel.recv(&mut bytes).unwrap();
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn frames_are_read_one_by_one() {
        let (queue, kernel) = pair(false);
        let mut room = [0; 100];
        assert_eq!(queue.read(&mut room).unwrap(), None);
        for len in [14, 101, 100] {
            kernel.send(&vec![len; len.into()]).unwrap();
        }
        assert_eq!(queue.read(&mut room).unwrap(), Some(14.into()));
        assert_eq!(room[..14], [14; 14]);
        // The one that does not fit is passed over.
        assert_eq!(queue.read(&mut room).unwrap(), Some(100.into()));
        assert_eq!(room, [100; 100]);
        assert_eq!(queue.read(&mut room).unwrap(), None);
    }

    #[test]
    fn a_header_says_what_is_left_to_do() {
        let (queue, kernel) = pair(true);
        let checksum = Checksum { start: 34, offset: 6 };
        let partial = Incoming { checksum: ReceivedChecksum::Partial(checksum), ..Incoming::default() };
        let mut sent = header::incoming(&partial).to_vec();
        sent.extend([7; 60]);
        kernel.send(&sent).unwrap();
        // Too short for its header.
        kernel.send(&[0; 9]).unwrap();
        let mut room = [0; 100];
        let outgoing = Outgoing { checksum: Some(checksum), ..60.into() };
        assert_eq!(queue.read(&mut room).unwrap(), Some(outgoing));
        assert_eq!(room[..61], [&[7; 60][..], &[0]].concat());
        assert_eq!(queue.read(&mut room).unwrap(), None);
        assert!(queue.write(&Frame::new(&[&[7; 60]], partial)).unwrap());
        assert_eq!(received(&kernel), sent);
    }

    #[test]
    fn frames_are_written_whole() {
        let (queue, kernel) = pair(false);
        for count in [1, PIECES, PIECES + 1, 40] {
            let parts: Vec<Vec<u8>> = (0..count).map(|index| vec![index as u8; index + 1]).collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            assert!(queue.write(&Frame::new(&parts, Incoming::default())).unwrap());
            assert_eq!(received(&kernel), parts.concat(), "{count}");
        }
    }

    #[test]
    fn a_full_kernel_refuses_and_one_that_is_gone_fails() {
        let (queue, kernel) = pair(false);
        let frame = [0; 60];
        let parts = [&frame[..]];
        let frame = Frame::new(&parts, Incoming::default());
        let taken = (0..1_000_000).take_while(|_| queue.write(&frame).unwrap()).count();
        assert!((1..1_000_000).contains(&taken), "{taken}");
        drop(kernel);
        assert!(queue.write(&frame).is_err());
    }
}
