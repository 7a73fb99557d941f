//! Who may open a connection from inside a browser.
//!
//! A program of its own sends no `Origin`. A browser always does, and any web
//! page may open a WebSocket to any address, also to a node on its visitor's
//! machine: so a page's origin is refused, and an extension's is taken. The
//! check is about pages in honest browsers; whoever writes the header itself
//! needs a plugin's key all the same.

use std::str::FromStr;

use actix_web::http::header::{self, HeaderMap};

const EXTENSION_SCHEMES: [&str; 2] = ["chrome-extension://", "moz-extension://"];

/// Which origins may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any browser extension.
    #[default]
    Extensions,
    /// These and no others.
    Only(Vec<Origin>),
}

/// `scheme://host[:port]`, as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A string that no browser sends as an origin. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an origin: write scheme://host or scheme://host:port, in small letters, without a path")]
pub struct OriginError {
    /// What was written.
    pub text: String,
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let is_scheme = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !s.is_empty();
        let is_host = |h: &str| {
            h.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b)) && !h.is_empty()
        };
        let is_origin = text.split_once("://").is_some_and(|(scheme, host)| is_scheme(scheme) && is_host(host));
        if is_origin { Ok(Self(text.to_owned())) } else { Err(OriginError { text: text.to_owned() }) }
    }
}

/// An extension's origin names it by letters, digits and dashes.
fn is_extension(origin: &str) -> bool {
    let id = EXTENSION_SCHEMES.iter().find_map(|scheme| origin.strip_prefix(scheme));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

impl Origins {
    /// These and no others; any extension if there are none.
    #[must_use]
    pub fn of(list: Vec<Origin>) -> Self {
        if list.is_empty() { Self::Extensions } else { Self::Only(list) }
    }

    /// Whether a request with these headers may open a connection.
    #[must_use]
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let mut found = headers.get_all(header::ORIGIN);
        let (origin, second) = (found.next(), found.next());
        match (origin.map(|o| o.to_str()), second) {
            (None, _) => true,
            (Some(Ok(origin)), None) => match self {
                Self::Extensions => is_extension(origin),
                Self::Only(list) => list.iter().any(|o| o.0 == origin),
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn admits(origins: &Origins, found: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for value in found {
            headers.append(header::ORIGIN, HeaderValue::from_bytes(value).unwrap());
        }
        origins.admit(&headers)
    }

    const CHROME: &str = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    const FIREFOX: &str = "moz-extension://5b0c4a1e-0f6a-4c0c-9d60-0123456789ab";
    const PAGES: [&str; 12] = [
        "https://example.com",
        "http://localhost:8545",
        "http://127.0.0.1:8545",
        "null",
        "",
        "file://",
        "chrome-extension://",
        "chrome-extension://a.example.com",
        "chrome-extension://a/b",
        "https://chrome-extension://a",
        "CHROME-EXTENSION://a",
        "chrome-extension:a",
    ];

    #[test]
    fn programs_and_extensions_connect_and_pages_do_not() {
        let origins = Origins::default();
        assert!(admits(&origins, &[]));
        assert!(admits(&origins, &[CHROME.as_bytes()]) && admits(&origins, &[FIREFOX.as_bytes()]));
        for page in PAGES {
            assert!(!admits(&origins, &[page.as_bytes()]), "{page}");
        }
        assert!(!admits(&origins, &[b"chrome-extension://\xff"]));
        assert!(!admits(&origins, &[CHROME.as_bytes(), b"https://example.com"]), "two origins are none");
        assert!(!admits(&origins, &[CHROME.as_bytes(), CHROME.as_bytes()]));
    }

    #[test]
    fn a_list_admits_what_it_names() {
        let origins = Origins::of(vec![CHROME.parse().unwrap(), "http://localhost:3000".parse().unwrap()]);
        assert!(admits(&origins, &[]) && admits(&origins, &[CHROME.as_bytes()]));
        assert!(admits(&origins, &[b"http://localhost:3000"]));
        for other in [FIREFOX, "http://localhost:3001", "https://localhost:3000", "http://localhost:3000/"] {
            assert!(!admits(&origins, &[other.as_bytes()]), "{other}");
        }
        assert_eq!(Origins::of(Vec::new()), Origins::Extensions);
        for wrong in
            ["", "*", "null", "example.com", "https://example.com/", "HTTPS://a", "https://", "://a", "https://A"]
        {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
