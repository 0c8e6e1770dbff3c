//! `apipool init`.

mod auth;
mod checked;

use std::{fs::OpenOptions, io::Write, path::Path};

use url::Url;
use vantage_api_discover::{
    self as discover, DiscoverError, Discovery, Draft, Settings, Step, from_openapi,
};
use vantage_api_ingest::description::{Description, Reader};
use vantage_api_pool::{AwwPool, Request, Response, retry::ResponseRule};

use crate::{arguments::Init, failure::Failure, output};

/// The largest specification that is read, in bytes.
const LARGEST: u64 = 64 << 20;

pub(crate) async fn run(init: &Init) -> Result<(), Failure> {
    if let Some(file) = init.output.as_ref().filter(|file| file.exists()) {
        return Err(Failure::usage(format_args!("{} is there already", file.display()))
            .advising("name another file, or delete it"));
    }
    let auth = auth::of(&init.auth)?;
    let mut settings = Settings::default();
    settings.table.clone_from(&init.table);
    settings.items.clone_from(&init.items);
    settings.paging.clone_from(&init.paging);
    settings.body = body(init)?;
    settings.auth = auth;
    settings.headers = auth::headers(&init.headers)?;
    let draft = match (&init.openapi, &init.url) {
        (Some(file), _) => specified(file, &settings),
        (None, Some(url)) => discovered(url, settings).await,
        (None, None) => return Err(Failure::usage("init needs a URL, or --openapi FILE")),
    };
    let draft = draft.map_err(told)?;
    write(&draft.to_yaml(), init.output.as_deref())
}

/// The body by which rows are asked for.
fn body(init: &Init) -> Result<Option<serde_json::Value>, Failure> {
    match (init.method.as_deref(), init.body.as_deref()) {
        (Some("GET"), Some(_)) => Err(Failure::usage("--body belongs to --method POST")),
        (Some("POST"), None) => Ok(Some(serde_json::json!({}))),
        (_, None) => Ok(None),
        (_, Some(text)) => {
            let body = serde_json::from_str::<serde_json::Value>(text).ok();
            let body = body.filter(serde_json::Value::is_object);
            let what = "--body is not a JSON object";
            body.map(Some).ok_or_else(|| {
                Failure::usage(what).advising("such as --body '{\"query\": \"x\", \"limit\": 10}'")
            })
        }
    }
}

fn write(yaml: &str, file: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = file else {
        output::text(yaml);
        return Ok(());
    };
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(yaml.as_bytes())).map_err(|error| {
        // Requests were spent on it.
        output::text(yaml);
        Failure::run(format_args!("{} cannot be written: {error}", path.display()))
    })?;
    output::note(format_args!("written to {}", path.display()));
    Ok(())
}

/// A draft by a specification. Nothing is sent.
fn specified(file: &Path, settings: &Settings) -> Result<Draft, Failure> {
    let unreadable =
        |error| Failure::usage(format_args!("{} cannot be read: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > LARGEST {
        let what = format!(
            "{} has {size} bytes, more than the {LARGEST} of the largest specification that is read",
            file.display()
        );
        return Err(Failure::Usage(what).advising("cut it down to the paths that are wanted"));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = from_openapi(&text, &name, settings)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", file.display())))?;
    described(&draft, false)?;
    for left_out in draft.left_out() {
        output::note(format_args!("left out: {left_out}"));
    }
    let count = draft.tables().count();
    let tables = if count == 1 { "table" } else { "tables" };
    output::note(format_args!("{count} {tables}; nothing was sent"));
    Ok(draft)
}

/// A draft by what the API answers, by which two pages were read.
async fn discovered(url: &str, settings: Settings) -> Result<Draft, Failure> {
    let mut discovery = Discovery::new(url, settings.clone()).map_err(open)?;
    let origin = Url::parse(url).map_err(Failure::usage)?.origin().ascii_serialization();
    let pool = prober(&origin, &settings)?;
    let draft = loop {
        match discovery.next_step() {
            Step::Request(request) => {
                let answer = answer(&pool, &request).await?;
                let attempts = pool.stats().await?.attempts;
                output::note(format_args!("request {attempts}: {}", request.purpose));
                discovery.on_response(answer);
                discovery.set_requests_made(u32::try_from(attempts).unwrap_or(u32::MAX));
            }
            Step::Done(done) => break done.map_err(open)?,
        }
    };
    let description = described(&draft, true)?;
    let checked = checked::read(&description).await;
    if let Err(failure) = checked {
        output::note(draft.to_yaml());
        return Err(failure.advising(
            "the draft above does not read its API: mend it by hand, or see --items and --paging",
        ));
    }
    Ok(draft)
}

/// A text in which a terminal obeys nothing but the ends of lines.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// The failure, which may repeat names that others chose.
fn told(failure: Failure) -> Failure {
    match failure {
        Failure::Incomplete(advice) => Failure::Incomplete(advice),
        Failure::Run(what) => Failure::Run(printable(&what)),
        Failure::Usage(what) => Failure::Usage(printable(&what)),
    }
}

fn open(unknown: DiscoverError) -> Failure {
    Failure::Usage(unknown.what).advising(&unknown.advice)
}

/// The draft as it will be read. Variables without a value get one where nothing is sent.
fn described(draft: &Draft, is_sent: bool) -> Result<Description, Failure> {
    let yaml = draft.to_yaml();
    let unset = if is_sent { Vec::new() } else { draft.variables() };
    let reader = unset.iter().fold(Reader::new(), |reader, name| reader.variable(name, "unset"));
    reader.read_yaml(&yaml).map_err(|error| {
        output::note(&yaml);
        Failure::from(error)
            .advising("the draft above is not a description: see --items and --paging")
    })
}

/// A pool that makes each request once, and takes any answer.
fn prober(origin: &str, settings: &Settings) -> Result<AwwPool, Failure> {
    let description = Reader::new().read_yaml(&Draft::connection(origin, settings))?;
    let builder = description.api.builder().map_err(Failure::usage)?;
    let rule = ResponseRule::accept().statuses(400..=599);
    builder.max_attempts(1).response_rules([rule]).build().map_err(Failure::usage)
}

async fn answer(pool: &AwwPool, asked: &discover::Request) -> Result<discover::Response, Failure> {
    let target = asked.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{target}", asked.url.path());
    let mut request = match &asked.post {
        None => Request::get(target),
        Some(body) => Request::post(target).json(body).map_err(Failure::usage)?,
    };
    for (name, value) in &asked.headers {
        request = request.header(name, value).map_err(Failure::usage)?;
    }
    match pool.request(request).await {
        Ok(response) => Ok(taken(&response)),
        Err(error) => match error.response() {
            Some(response) => Ok(taken(response)),
            None => Err(error.into()),
        },
    }
}

fn taken(response: &Response) -> discover::Response {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| {
        (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers: Vec<_> = headers.collect();
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let answer =
        discover::Response::new(response.status().as_u16(), headers, response.body().to_vec());
    match response.url().and_then(|url| Url::parse(&url.to_string()).ok()) {
        Some(url) => answer.from_url(url),
        None => answer,
    }
}
