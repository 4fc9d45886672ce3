//! A fake of the API, in this process.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// A request that was received.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    pub line: String,
    pub authorization: String,
    pub idempotency_key: Option<String>,
    pub body: Value,
}

/// A server with scripted answers.
pub struct FakeApi {
    pub url: String,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

/// Status, headers and body.
pub type Reply = (u16, Vec<(&'static str, String)>, String);

/// A reply with this status is sent with another one and cut off.
pub const CUT_OFF: u16 = 0;

pub fn reply(status: u16, body: &Value) -> Reply {
    (status, Vec::new(), body.to_string())
}

pub fn problem(status: u16, code: &str) -> Reply {
    reply(status, &json!({ "code": code, "detail": "A fixed sentence.", "status": status }))
}

/// The reply, with a request to retry at once.
pub fn retry_at_once(mut reply: Reply) -> Reply {
    reply.1.push(("retry-after", "0".to_owned()));
    reply
}

impl FakeApi {
    /// Starts a server that answers each request with the reply of `answer`. Its second argument is the number of earlier
    /// requests.
    pub fn start(answer: impl Fn(&ReceivedRequest, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/stage", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (all, answer) = (all.clone(), answer.clone());
                thread::spawn(move || serve(connection.unwrap(), &all, &*answer));
            }
        });
        Self { url, requests }
    }

    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// Receives and answers one request.
fn serve(
    mut connection: TcpStream,
    all: &Mutex<Vec<ReceivedRequest>>,
    answer: &dyn Fn(&ReceivedRequest, usize) -> Reply,
) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        // A client that does not speak HTTP gets no answer.
        if !reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |wanted: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned()).next()
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let request = ReceivedRequest {
        line: head[0].clone(),
        authorization: header("authorization").unwrap_or_default(),
        idempotency_key: header("idempotency-key"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let before = {
        let mut all = all.lock().unwrap();
        all.push(request.clone());
        all.len() - 1
    };
    let (status, headers, body) = answer(&request, before);
    let headers = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect::<String>();
    let (status, missing) = if status == CUT_OFF { (202, 1) } else { (status, 0) };
    let length = body.len() + missing;
    write!(connection, "HTTP/1.1 {status} S\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
        .unwrap();
}
