//! A browser, as far as the pages need one.

use crate::support::{Answer, Gate, Raw};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::SocketAddr;

pub const LOGIN: &str = "/api/v1/users/login/";

/// What a browser does with cookies and forms, as far as a test needs it.
pub struct Browser<'g> {
    entrance: SocketAddr,
    gate: PhantomData<&'g Gate>,
    pub cookies: BTreeMap<String, String>,
    /// Lines of the head besides.
    pub headers: String,
}

impl<'g> Browser<'g> {
    pub fn of(gate: &'g Gate) -> Self {
        Self::at(gate.postern.data)
    }

    /// One that goes another way to it.
    pub fn at(entrance: SocketAddr) -> Self {
        Self { entrance, gate: PhantomData, cookies: BTreeMap::new(), headers: String::new() }
    }

    pub fn ask(&mut self, method: &str, target: &str, form: Option<&[(&str, &str)]>) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut message = format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n{}", self.headers);
        if !cookies.is_empty() {
            message += &format!("Cookie: {}\r\n", cookies.join("; "));
        }
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body = form.unwrap_or_default().iter().map(|(name, value)| format!("{name}={}", encode(value)));
        let body = body.collect::<Vec<_>>().join("&");
        message +=
            &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = Raw::connect(self.entrance).send(message).answer();
        self.keep(&answer);
        answer
    }

    /// Keeps the cookies of an answer.
    pub fn keep(&mut self, answer: &Answer) {
        for cookie in answer.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, None)
    }

    /// Fetches the page and sends its form, with these fields filled in.
    pub fn send(&mut self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let shown = self.get(page).text();
        let csrf = field(&shown, "csrf").expect("a form");
        let next = field(&shown, "next");
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(next.as_deref().map(|next| ("next", next)));
        all.extend_from_slice(fields);
        self.ask("POST", page.split('?').next().unwrap(), Some(&all))
    }

    pub fn log_in(&mut self, username: &str, password: &str) -> Answer {
        self.send(LOGIN, &[("username", username), ("password", password)])
    }

    pub fn whoami(&mut self) -> u16 {
        self.get("/me/x").status
    }
}

/// The value of a hidden field.
pub fn field(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0.replace("&#x2f;", "/").replace("&#38;", "&"))
}
