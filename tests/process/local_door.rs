//! The local AWS answers programs and its own pages. It refuses the pages of other origins, which a developer's browser shows.
//!
//! The requests are written out, with the headers that Chromium sends: those decide.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use xtask::{StackFile, aws::authorization};

const FOREIGN_HOST: &str = "The local AWS answers under 127.0.0.1, localhost and names that end in .localhost only.\n";
const FOREIGN_PAGE: &str = "The local AWS answers programs on this machine and its own pages only. A page of another origin \
                            sent this request.\n";
const MAILBOX: &str = "GET /_ministack/ses/messages";
const NAVIGATION: &str = "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: document";
const HANDSHAKE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
/// The origin that the stack's `CorsOrigins` names.
const STAFF_PAGES: &str = "Origin: https://staff.example.com";

/// An answer as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn permits_reading(&self) -> bool {
        self.head.to_lowercase().contains("access-control-allow-origin")
    }

    fn assert_refused(&self, why: &str, case: &str) {
        assert_eq!((self.status, self.body.as_str()), (403, why), "{case}: {self:?}");
        assert!(!self.permits_reading(), "{case}: {self:?}");
    }

    fn assert_let_in(&self, status: u16, case: &str) {
        assert_eq!(self.status, status, "{case}: {self:?}");
    }
}

/// The door of the running stack.
struct Door {
    stack: &'static StackFile,
    port: u16,
    /// The id of the stack's API.
    api: String,
}

impl Door {
    fn find() -> Option<Self> {
        let stack = system_tests::stack()?;
        let port = stack.aws_endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let api = stack.api_url.rsplit('/').nth(1).unwrap().to_owned();
        Some(Self { stack, port, api })
    }

    /// Sends a request without a body. `PORT`, `API` and `AUTH` stand for the stack's values.
    fn send(&self, request: &str, headers: &str) -> Reply {
        let text = format!("{request} HTTP/1.1\n{headers}\nContent-Length: 0\nConnection: close\n\n");
        self.exchange(&text)
    }

    fn exchange(&self, text: &str) -> Reply {
        let text = text.replace("PORT", &self.port.to_string()).replace("API", &self.api);
        let text = text.replace("AUTH", &format!("Authorization: {}", authorization(self.stack, "iam")));
        exchange(self.port, &text.replace('\n', "\r\n"))
    }
}

/// Sends bytes to a port and reads until the end of the connection.
fn exchange(port: u16, text: &str) -> Reply {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    connection.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap_or_else(|error| unreachable!("{text}: {error}: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| unreachable!("{text}: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn a_host_that_is_not_this_machine_is_refused() {
    let Some(door) = Door::find() else { return };
    let loopback = [
        "127.0.0.1:PORT",
        "127.0.0.1",
        "localhost:PORT",
        "LocalHost:PORT",
        "localhost.:PORT",
        "[::1]:PORT",
        "API.execute-api.localhost:PORT",
        "a-bucket.localhost:PORT",
        "127.0.0.1:PORT\nX-Forwarded-Host: pages.example",
    ];
    for host in loopback {
        let headers = format!("Host: {host}");
        assert_ne!(door.send(MAILBOX, &headers).body, FOREIGN_HOST, "{host}");
    }
    let foreign = [
        "pages.example:PORT",
        "pages.example",
        "127.0.0.1.pages.example:PORT",
        "localhost.pages.example",
        "notlocalhost:PORT",
        ".localhost:PORT",
        "0.0.0.0:PORT",
        "192.168.0.1:PORT",
        "[::]:PORT",
        "127.0.0.1:PORT@pages.example",
        "pages.example:PORT\nX-Forwarded-Host: 127.0.0.1:PORT",
        "",
    ];
    for host in foreign {
        let headers = format!("Host: {host}");
        door.send(MAILBOX, &headers).assert_refused(FOREIGN_HOST, host);
        // A page whose name leads to this machine is of the same origin as its requests.
        let rebound = format!("{headers}\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors\nSec-Fetch-Dest: empty");
        door.send(MAILBOX, &rebound).assert_refused(FOREIGN_HOST, host);
        door.send("GET /_aws/execute-api/API/x", &format!("{headers}\n{HANDSHAKE}")).assert_refused(FOREIGN_HOST, host);
    }
    door.exchange("GET /_ministack/ses/messages HTTP/1.0\n\n").assert_refused(FOREIGN_HOST, "no host");
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let Some(door) = Door::find() else { return };
    let origins = [
        "https://pages.example",
        // Another program on this machine. To a browser it is of the same site.
        "http://127.0.0.1:1",
        "http://localhost:PORT",
        "http://other.localhost:PORT",
        "http://API.execute-api.localhost:1",
        "http://API.execute-api.localhost:PORT.pages.example",
        "https://127.0.0.1:PORT",
        "http://127.0.0.1:PORT, http://127.0.0.1:PORT",
        "http://127.0.0.1:PORT\nOrigin: https://pages.example",
        "https://staff.example.com",
        "null",
    ];
    let requests = [
        "POST /?Action=ListUsers&Version=2010-05-08",
        "POST /2015-03-31/functions",
        "POST /_ministack/reset",
        "GET /_ministack/ses/messages",
        "OPTIONS /",
        "OPTIONS /_ministack/ses/messages",
        "POST /login",
    ];
    for origin in origins {
        for request in requests {
            let headers = format!("Host: 127.0.0.1:PORT\nOrigin: {origin}\nAUTH");
            door.send(request, &headers).assert_refused(FOREIGN_PAGE, &format!("{request} of {origin}"));
        }
    }
    let unnamed = [
        ("an image", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image"),
        (
            "an image of another program's page",
            "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image",
        ),
        ("a frame", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe"),
        ("a page in a tab", &format!("Sec-Fetch-Site: cross-site\n{NAVIGATION}")),
        ("a link in another program", &format!("Sec-Fetch-Site: none\n{NAVIGATION}")),
        ("a browser that says nothing else", "User-Agent: Mozilla/5.0 (Macintosh)"),
    ];
    for (name, headers) in unnamed {
        let headers = format!("Host: 127.0.0.1:PORT\n{headers}\nAUTH");
        door.send("GET /?Action=ListUsers&Version=2010-05-08", &headers).assert_refused(FOREIGN_PAGE, name);
    }
    for request in [MAILBOX, "GET /_aws/execute-api/API/%24default/v1/practice"] {
        for headers in &unnamed[..3] {
            let headers = format!("Host: 127.0.0.1:PORT\n{}", headers.1);
            door.send(request, &headers).assert_refused(FOREIGN_PAGE, request);
        }
    }
    let socket = format!("Host: 127.0.0.1:PORT\nOrigin: https://pages.example\n{HANDSHAKE}");
    door.send("GET /_aws/execute-api/API/x", &socket).assert_refused(FOREIGN_PAGE, "a WebSocket");
}

#[test]
fn a_program_is_let_in() {
    let Some(door) = Door::find() else { return };
    let users = "/?Action=ListUsers&Version=2010-05-08";
    door.send(&format!("POST {users}"), "Host: 127.0.0.1:PORT\nAUTH").assert_let_in(200, "no sign of a browser");
    let agent = "Host: localhost:PORT\nUser-Agent: curl/8.0\nAUTH";
    door.send(&format!("GET {users}"), agent).assert_let_in(200, "curl");
    let node = "Host: 127.0.0.1:PORT\nUser-Agent: node\nSec-Fetch-Mode: cors\nAUTH";
    door.send(&format!("POST {users}"), node).assert_let_in(200, "Node's fetch");
    door.send(MAILBOX, "Host: 127.0.0.1:PORT").assert_let_in(200, "the mailbox");
}

/// A sign-in and what a page does afterwards, as Chromium sent it.
#[test]
fn pages_of_the_stack_are_let_in() {
    let Some(door) = Door::find() else { return };
    let (pages, provider) = ("Host: API.execute-api.localhost:PORT", "Host: 127.0.0.1:PORT");
    let own = "Origin: http://API.execute-api.localhost:PORT";
    let data = "Sec-Fetch-Mode: cors\nSec-Fetch-Dest: empty";
    let cases = [
        ("an address that was typed", "GET /v1/practice", pages, format!("Sec-Fetch-Site: none\n{NAVIGATION}"), 401),
        (
            "an image of the page",
            "GET /v1/practice",
            pages,
            "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image".to_owned(),
            401,
        ),
        (
            "a form of a page that sends no referrer",
            "POST /v1/practice",
            pages,
            format!("Origin: null\nSec-Fetch-Site: same-origin\n{NAVIGATION}"),
            405,
        ),
        ("back from the sign-in", "GET /v1/practice", pages, format!("Sec-Fetch-Site: cross-site\n{NAVIGATION}"), 401),
        ("a call of the page", "POST /v1/logins", pages, format!("{own}\nSec-Fetch-Site: same-origin\n{data}"), 401),
        (
            "the question whether the page may call the user pool",
            "OPTIONS /",
            provider,
            format!("{own}\nSec-Fetch-Site: cross-site\n{data}\nAccess-Control-Request-Method: POST"),
            200,
        ),
        (
            "the page's call of the user pool",
            "POST /",
            provider,
            format!(
                "{own}\nSec-Fetch-Site: cross-site\n{data}\nContent-Type: application/x-amz-json-1.1\n\
                 X-Amz-Target: AWSCognitoIdentityProviderService.SignUp"
            ),
            400,
        ),
        (
            "the sign-in page",
            "GET /oauth2/authorize",
            provider,
            format!("Sec-Fetch-Site: cross-site\n{NAVIGATION}"),
            400,
        ),
        (
            "its form",
            "POST /login",
            provider,
            format!("Origin: http://127.0.0.1:PORT\nSec-Fetch-Site: same-origin\n{NAVIGATION}"),
            400,
        ),
        ("the mailbox, in a tab", MAILBOX, provider, format!("Sec-Fetch-Site: none\n{NAVIGATION}"), 200),
        ("an old browser", "GET /v1/practice", pages, "User-Agent: Mozilla/5.0 (Macintosh)".to_owned(), 401),
    ];
    for (name, request, host, headers, status) in cases {
        let reply = door.send(request, &format!("{host}\nUser-Agent: Mozilla/5.0 (X11)\n{headers}"));
        reply.assert_let_in(status, name);
        assert_ne!(reply.body, FOREIGN_PAGE, "{name}");
    }
}

#[test]
fn the_cors_rules_of_an_api_hold_for_its_own_paths_only() {
    let Some(door) = Door::find() else { return };
    let path = "/_aws/execute-api/API/%24default/v1/practice";
    let asked =
        "Access-Control-Request-Method: PUT\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors\nSec-Fetch-Dest: empty";
    let preflight = |path: &str, origin: &str| {
        door.send(&format!("OPTIONS {path}"), &format!("Host: 127.0.0.1:PORT\n{origin}\n{asked}"))
    };
    let permitted = preflight(path, STAFF_PAGES);
    permitted.assert_let_in(204, "the question of the staff's pages");
    assert!(permitted.head.contains("Access-Control-Allow-Origin: https://staff.example.com\r\n"), "{permitted:?}");
    assert!(permitted.head.contains("Access-Control-Allow-Methods: GET,POST,PUT"), "{permitted:?}");
    let read = door.send(&format!("GET {path}"), &format!("Host: 127.0.0.1:PORT\n{STAFF_PAGES}"));
    read.assert_let_in(401, "the call of the staff's pages");
    for other in ["Origin: https://pages.example", "Origin: http://staff.example.com", "Origin: null"] {
        preflight(path, other).assert_refused(FOREIGN_PAGE, other);
        let call = door.send(&format!("GET {path}"), &format!("Host: 127.0.0.1:PORT\n{other}"));
        call.assert_refused(FOREIGN_PAGE, other);
    }
    let elsewhere =
        ["/", "/2015-03-31/functions", "/_ministack/ses/messages", "/_aws/execute-api/ffffffff/%24default/v1/practice"];
    for path in elsewhere {
        preflight(path, STAFF_PAGES).assert_refused(FOREIGN_PAGE, path);
    }
}

/// The listeners of the process that listens on the stack's port.
#[cfg(target_os = "linux")]
fn listeners(port: u16) -> Vec<(String, u16)> {
    use std::{collections::BTreeSet, fs};

    // Each line: number, local address, remote address, state, queues, timer, retransmissions, user, timeout, inode.
    let table = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let listening: Vec<(String, u16, String)> = [table("/proc/net/tcp"), table("/proc/net/tcp6")]
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = fields[1].split_once(':')?;
            (fields[3] == "0A")
                .then(|| (address.to_owned(), u16::from_str_radix(port, 16).unwrap(), fields[9].to_owned()))
        })
        .collect();
    let sockets = |process: &fs::DirEntry| -> BTreeSet<String> {
        let descriptors = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|descriptor| Some(fs::read_link(descriptor.path()).ok()?.to_str()?.to_owned())).collect()
    };
    let main = listening.iter().find(|(_, bound, _)| *bound == port).unwrap();
    let main = format!("socket:[{}]", main.2);
    let processes = fs::read_dir("/proc").unwrap().map(Result::unwrap);
    let sockets = processes.map(|process| sockets(&process)).find(|sockets| sockets.contains(&main)).unwrap();
    let own = |inode: &str| sockets.contains(&format!("socket:[{inode}]"));
    listening.into_iter().filter(|(_, _, inode)| own(inode)).map(|(address, port, _)| (address, port)).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn every_listener_is_on_loopback_and_the_runtime_api_is_closed_to_browsers() {
    const NOT_FOR_PAGES: &str = "The Runtime API answers functions only. A browser sent this request.\n";
    let Some(door) = Door::find() else { return };
    // A call of a function, so that at least one has its Runtime API.
    let called = door.send("GET /_aws/execute-api/API/%24default/v1/nothing", "Host: 127.0.0.1:PORT");
    called.assert_let_in(404, "a function");
    let listeners = listeners(door.port);
    // 127.0.0.1, as a number in the machine's byte order.
    let loopback = format!("{:08X}", u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets()));
    assert!(listeners.iter().all(|(address, _)| *address == loopback), "{listeners:?}");
    let runtime_apis: Vec<u16> = listeners.iter().map(|(_, port)| *port).filter(|port| *port != door.port).collect();
    assert!(!runtime_apis.is_empty(), "{listeners:?}");
    for port in runtime_apis {
        let send = |headers: &str| {
            let text = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\n{headers}\n\n");
            exchange(port, &text.replace("PORT", &port.to_string()).replace('\n', "\r\n"))
        };
        send("Host: pages.example:PORT").assert_refused(FOREIGN_HOST, "another host");
        let signs = [
            "Origin: https://pages.example",
            "Origin: http://127.0.0.1:PORT",
            "Sec-Fetch-Site: none",
            "User-Agent: Mozilla/5.0 (X11)",
        ];
        for sign in signs {
            send(&format!("Host: 127.0.0.1:PORT\n{sign}")).assert_refused(NOT_FOR_PAGES, sign);
        }
        let program = "GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        exchange(port, program).assert_let_in(404, "a program");
    }
}
