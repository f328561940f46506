use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dirql::driver::Settings;
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Wire};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};

use super::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The other end of the cable, for smoltcp.
struct Cable(Wire, Vec<Vec<u8>>);

struct Came(Vec<u8>);
struct Goes<'a>(&'a Wire);

impl RxToken for Came {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Goes<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        // What finds no buffer is sent again: that is what TCP is for.
        let _ = self.0.inject(&frame);
        result
    }
}

impl Device for Cable {
    type RxToken<'a> = Came;
    type TxToken<'a> = Goes<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Came, Goes<'_>)> {
        if self.1.is_empty() {
            self.1 = self.0.sent();
        }
        (!self.1.is_empty()).then(|| (Came(self.1.remove(0)), Goes(&self.0)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Goes<'_>> {
        Some(Goes(&self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        (capabilities.medium, capabilities.max_transmission_unit) = (Medium::Ethernet, 1514);
        capabilities
    }
}

/// Answers one request with these bytes, and hangs up; gives what was asked.
fn serve(wire: Wire, answer: &[u8], done: &AtomicBool) -> Vec<u8> {
    let mut cable = Cable(wire, Vec::new());
    let config = Config::new(EthernetAddress([0x52, 0x55, 10, 0, 2, 2]).into());
    let mut interface = Interface::new(config, &mut cable, Instant::ZERO);
    interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(SERVER.into(), 24)).unwrap());
    let mut sockets = SocketSet::new(Vec::new());
    let buffer = || tcp::SocketBuffer::new(vec![0; 32 << 10]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.listen(8000).unwrap();
    let handle = sockets.add(socket);
    let (started, mut asked, mut unsent) = (Clock::now(), Vec::new(), answer);
    while !done.load(Ordering::Relaxed) {
        let now = Instant::from_micros(started.elapsed().as_micros() as i64);
        interface.poll(now, &mut cable, &mut sockets);
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        if socket.can_recv() {
            asked.extend(socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap());
        }
        if asked.ends_with(b"\r\n\r\n") && socket.may_send() {
            unsent = &unsent[socket.send_slice(unsent).unwrap()..];
            if unsent.is_empty() {
                socket.close();
            }
        }
        thread::sleep(Duration::from_micros(100));
    }
    asked
}

fn fetched(answer: &[u8], port: u16) -> (Result<Response, String>, Vec<u8>) {
    let (device, wire) = Chip::new().plug_in().unwrap();
    let mut e1000 = E1000::start(device, &Settings::default()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(wire, answer, &done));
        let url = Url { address: SERVER, port, path: "/file".into() };
        let source = Ipv4Cidr::new(Ipv4Addr::new(10, 0, 2, 15), 24);
        let response = fetch(&mut e1000, &url, Some(source)).map_err(|error| error.to_string());
        done.store(true, Ordering::Relaxed);
        (response, server.join().unwrap())
    })
}

/// The whole way: driver, rings, interrupts, TCP, HTTP.
#[test]
fn a_body_comes_whole_through_an_e1000() {
    let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(&body);
    let (response, asked) = fetched(&answer, 8000);
    let response = response.unwrap();
    assert_eq!((response.status, response.status_line.as_str()), (200, "HTTP/1.0 200 OK"));
    assert!(response.body == body, "{} bytes", response.body.len());
    assert_eq!(asked, b"GET /file HTTP/1.0\r\nHost: 10.0.2.2:8000\r\n\r\n");
}

#[test]
fn a_server_that_fails_is_an_error() {
    let (response, _) = fetched(b"HTTP/1.0 404 Not Found\r\n\r\nno", 8000);
    let response = response.unwrap();
    assert_eq!((response.status, &*response.body), (404, &b"no"[..]));
    for (answer, why) in [
        (&b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nshort"[..], "5 of 9 bytes came"),
        (b"nothing", "no headers"),
        (b"HTTP/1.0\r\n\r\n", "no status"),
    ] {
        let error = fetched(answer, 8000).0.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert!(fetched(b"", 8001).0.unwrap_err().contains("refuses"));
}
