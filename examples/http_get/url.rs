//! What is to be fetched.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// A URL of which the host is an IPv4 address: there is no DNS here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// The server.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// The path, with a slash.
    pub path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or("the URL begins with http://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (address, port) = host.split_once(':').unwrap_or((host, "80"));
        if path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err("the path has blanks".into());
        }
        Ok(Self {
            address: address.parse().map_err(|_| format!("{address:?} is no IPv4 address"))?,
            port: port.parse().map_err(|_| format!("{port:?} is no port"))?,
            path: if path.is_empty() { "/".into() } else { path.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        let url = |text: &str| text.parse::<Url>();
        let expected = Url { address: Ipv4Addr::new(10, 0, 2, 2), port: 80, path: "/".into() };
        assert_eq!(url("http://10.0.2.2"), Ok(expected.clone()));
        let expected = Url { port: 8000, path: "/a/b?c".into(), ..expected };
        assert_eq!(url("http://10.0.2.2:8000/a/b?c"), Ok(expected));
        for bad in ["", "https://10.0.2.2/", "http://host/", "http://10.0.2.2:x/", "http://10.0.2.2/a b"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
