//! A web server on the host's loopback, which QEMU's user network shows the guest as 10.0.2.2.

use dirql_lab::Result;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Answers each request with the same content, for as long as the process lives, and tells the port.
pub fn serve(content: Vec<u8>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(stream, &content) {
                eprintln!("lab: a download broke off: {error}");
            }
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, content: &[u8]) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", content.len())?;
    stream.write_all(content)
}
