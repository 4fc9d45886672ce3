//! Lambda on loopback: starts a program and plays the Runtime API to it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex as Lock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::timeout,
};
use xtask::clock;

use crate::proc;

/// How long anything may take: a program in another program's hands is slow, and one that hangs must not hang us.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long an invocation is told that it has: as long as Lambda allows at most.
const DEADLINE_MILLIS: i64 = 900_000;
/// The path that all others begin with.
const RUNTIME: &str = "/2018-06-01/runtime/";

/// A program that speaks the Runtime API.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is called in reports: the language.
    pub variant: String,
    /// Which of the functions it is.
    pub function: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it is started.
    pub folder: PathBuf,
    /// Its whole environment, but for what only the Runtime API and AWS's stand-in know.
    pub environment: BTreeMap<String, String>,
    /// The file or folder that would be deployed.
    pub package: PathBuf,
}

/// A program that runs. Dropping it kills it.
pub struct Process {
    child: Child,
    pid: Pid,
    started: Instant,
    events: mpsc::UnboundedSender<Invocation>,
    told: mpsc::UnboundedReceiver<Told>,
    invocations: u64,
    server: JoinHandle<()>,
    log: PathBuf,
}

/// What a program has answered to an event.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Value,
    /// From the event's handing over to its answer.
    pub took: Duration,
    /// From the program's start to the answer.
    pub since_start: Duration,
}

struct Invocation {
    id: String,
    event: Bytes,
}

/// What a program tells the Runtime API.
enum Told {
    /// It asks for the next event.
    Asked { at: Instant },
    /// It answers one.
    Answered { answer: Bytes, at: Instant, took: Duration },
    /// It says that it failed: itself, or with an event.
    Failed { path: String, error: Bytes },
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    told: mpsc::UnboundedSender<Told>,
    handed_over: Lock<Option<Instant>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Process {
    /// Starts the program, in the hands of another one unless `holder` is empty.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(program: &Program, holder: &[String], log: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let address = listener.local_addr()?;
        let (events, to_be_taken) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let api = Api { events: Mutex::new(to_be_taken), told: tell, handed_over: Lock::default() };
        let server = tokio::spawn(serve(listener, Arc::new(api)));
        let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut words = holder.iter().chain(&program.command);
        let mut command = Command::new(words.next().context("there is no command")?);
        command
            .args(words)
            .current_dir(&program.folder)
            .env_clear()
            .envs(&program.environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let started = clock::now();
        let child = command.spawn().with_context(|| format!("{} cannot be started", program.command.join(" ")))?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).context("it has ended already")?;
        Ok(Self { child, pid, started, events, told, invocations: 0, server, log })
    }

    /// Waits until it asks for an event. How long that took from its start.
    ///
    /// # Errors
    /// If it ends, or says that it failed.
    pub async fn ready(&mut self) -> Result<Duration> {
        match self.next_told().await? {
            Told::Asked { at } => Ok(at.duration_since(self.started)),
            Told::Answered { .. } | Told::Failed { .. } => bail!("it answered what it was not asked{}", self.tail()),
        }
    }

    /// Hands an event over, and waits until it has been answered and the next one is asked for.
    ///
    /// # Errors
    /// If it ends, says that it failed, or answers with what is not JSON.
    pub async fn invoke(&mut self, event: &Value) -> Result<Answered> {
        self.invocations += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012x}", self.invocations);
        self.events.send(Invocation { id, event: serde_json::to_vec(event)?.into() }).ok().context("nobody listens")?;
        let Told::Answered { answer, at, took } = self.next_told().await? else {
            bail!("it asked for an event before it had answered one{}", self.tail());
        };
        let answer = serde_json::from_slice(&answer).context("an answer is no JSON")?;
        self.ready().await?;
        Ok(Answered { answer, took, since_start: at.duration_since(self.started) })
    }

    async fn next_told(&mut self) -> Result<Told> {
        let told = tokio::select! {
            told = timeout(PATIENCE, self.told.recv()) => told,
            ended = self.child.wait() => bail!("it ended with {}{}", ended?, self.tail()),
        };
        match told {
            Ok(Some(Told::Failed { path, error })) => {
                bail!("it failed at {path}: {}{}", String::from_utf8_lossy(&error), self.tail())
            }
            Ok(Some(told)) => Ok(told),
            Ok(None) => bail!("the Runtime API is gone"),
            Err(_) => bail!("it has said nothing for {} s{}", PATIENCE.as_secs(), self.tail()),
        }
    }

    /// The end of its log, for an error's message.
    fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.iter().rev().fold(String::new(), |text, line| format!("{text}\n    | {line}"))
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends it by a signal that its holder survives and takes for the end of its work.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn end(mut self) -> Result<()> {
        let held = proc::child(self.pid).unwrap_or(self.pid);
        kill_process(held, Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await.context("it does not end")??;
        Ok(())
    }
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    while let Ok((stream, _)) = listener.accept().await {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            let service = service_fn(|request| answer(&api, request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // It ends when the program does.
            drop(connection.await);
        });
    }
}

async fn answer(api: &Api, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET && path == format!("{RUNTIME}invocation/next") {
        return Ok(next(api).await);
    }
    let Ok(body) = request.into_body().collect().await else { return Ok(Response::new(Full::default())) };
    let (body, at) = (body.to_bytes(), clock::now());
    let told = if path.starts_with(RUNTIME) && path.ends_with("/response") {
        let handed_over = api.handed_over.lock().unwrap_or_else(PoisonError::into_inner).take();
        Told::Answered { answer: body, at, took: handed_over.map_or(Duration::ZERO, |from| at.duration_since(from)) }
    } else {
        Told::Failed { path, error: body }
    };
    // Whoever ends a program does not wait for what it still says.
    let status = if api.told.send(told).is_ok() { StatusCode::ACCEPTED } else { StatusCode::GONE };
    let mut response = Response::new(Full::from(r#"{"status":"OK"}"#));
    *response.status_mut() = status;
    Ok(response)
}

async fn next(api: &Api) -> Response<Full<Bytes>> {
    let asked = api.told.send(Told::Asked { at: clock::now() });
    let Some(Invocation { id, event }) = api.events.lock().await.recv().await.filter(|_| asked.is_ok()) else {
        let mut gone = Response::new(Full::default());
        *gone.status_mut() = StatusCode::GONE;
        return gone;
    };
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", now_millis() + DEADLINE_MILLIS)
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:portal")
        .header("lambda-runtime-trace-id", "Root=1-69f9dac0-5e1b3c2a4f6d8e9012345678;Parent=0b1c2d3e4f506172;Sampled=0")
        .body(Full::from(event));
    *api.handed_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
    response.unwrap_or_default()
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "programs that are measured have the real clock")]
pub fn now_millis() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis().try_into().unwrap_or(i64::MAX)
}
