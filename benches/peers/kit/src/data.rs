//! The data that is served and read: one kind of item, the pages it comes in, and the checksum
//! over what arrived. Knows nothing of sockets and clients.

use ciborium::Value as Cbor;
use serde::Deserialize;
use serde_json::Value;
use vantage_types::Record;

/// How many items a page has, and so how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Shape {
    /// 100 items a page, about 25 KB.
    A,
    /// 10 items a page, about 2.6 KB.
    B,
}

impl Shape {
    pub fn items_per_page(self) -> u64 {
        match self {
            Shape::A => 100,
            Shape::B => 10,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Shape::A => "A",
            Shape::B => "B",
        }
    }
}

/// An item as a program would declare it.
#[derive(Debug, Deserialize)]
pub struct Item {
    pub id: u64,
    pub name: String,
    #[allow(dead_code, reason = "read, and not looked at")]
    pub email: String,
    #[allow(dead_code, reason = "read, and not looked at")]
    pub status: String,
    #[allow(dead_code, reason = "read, and not looked at")]
    pub score: f64,
    pub visits: u64,
    #[allow(dead_code, reason = "read, and not looked at")]
    pub is_verified: bool,
    #[allow(dead_code, reason = "read, and not looked at")]
    pub created_at: String,
    pub address: Address,
}

/// The object within an item.
#[derive(Debug, Deserialize)]
pub struct Address {
    #[allow(dead_code, reason = "read, and not looked at")]
    pub street: String,
    pub city: String,
    #[allow(dead_code, reason = "read, and not looked at")]
    pub country: String,
}

/// Counts items and folds them into a checksum that depends on their content and order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub items: u64,
    pub checksum: u64,
}

impl Tally {
    pub fn value(&mut self, item: &Value) {
        self.look(Look::at_value(item));
    }

    pub fn typed(&mut self, item: &Item) {
        self.look(Look::of(
            Some(item.id),
            Some(&item.name),
            Some(item.visits),
            Some(&item.address.city),
        ));
    }

    pub fn record(&mut self, item: &Record<Cbor>) {
        let number = |field: &str| {
            item.get(field).and_then(Cbor::as_integer).and_then(|number| number.try_into().ok())
        };
        let city = item.get("address").and_then(Cbor::as_map).and_then(|fields| {
            fields.iter().find(|(key, _)| key.as_text() == Some("city"))?.1.as_text()
        });
        let name = item.get("name").and_then(Cbor::as_text);
        self.look(Look::of(number("id"), name, number("visits"), city));
    }

    /// Takes in what an item was seen to be.
    pub fn look(&mut self, Look(parts): Look) {
        self.items += 1;
        parts.into_iter().for_each(|part| self.fold(part));
    }

    fn fold(&mut self, part: u64) {
        self.checksum = (self.checksum.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// What was seen of an item: all that a tally wants to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Look([u64; 4]);

impl Look {
    pub fn at_value(item: &Value) -> Self {
        Self::of(
            item["id"].as_u64(),
            item["name"].as_str(),
            item["visits"].as_u64(),
            item["address"]["city"].as_str(),
        )
    }

    /// A field that is missing leaves its trace, and so the checksum differs.
    fn of(id: Option<u64>, name: Option<&str>, visits: Option<u64>, city: Option<&str>) -> Self {
        Self([id.unwrap_or(u64::MAX), text(name), visits.unwrap_or(u64::MAX), text(city)])
    }
}

fn text(text: Option<&str>) -> u64 {
    let Some(text) = text else { return u64::MAX };
    let bytes = text.as_bytes();
    bytes.iter().fold(bytes.len() as u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte))
}

/// Pages that are rendered once and stamped with their ids and numbers when they are sent.
pub struct Book {
    items_per_page: u64,
    /// Pages with different items, taken in turn.
    templates: Vec<Template>,
}

/// A whole answer, head and body, with places of fixed width for what differs.
struct Template {
    bytes: Vec<u8>,
    ids: Vec<usize>,
    page: usize,
    total: usize,
    total_pages: usize,
    has_next: usize,
    has_prev: usize,
}

const TEMPLATES: u64 = 32;
const FIRST_ID: u64 = 1_000_000_000;
/// The width of a number, which is filled up with blanks on the left, and of a flag.
const NUMBER: &str = "9999999999";
const FLAG: &str = "false";

impl Book {
    pub fn new(items_per_page: u64) -> Self {
        let mut random = Random(0x5eed ^ items_per_page);
        let templates =
            (0..TEMPLATES).map(|_| Template::new(items_per_page, &mut random)).collect();
        Self { items_per_page, templates }
    }

    /// Appends the answer with page `page`, counted from 1, of `pages`.
    pub fn page(&self, page: u64, pages: u64, out: &mut Vec<u8>) {
        let template = &self.templates[(page % TEMPLATES) as usize];
        let start = out.len();
        out.extend_from_slice(&template.bytes);
        let answer = &mut out[start..];
        let first = FIRST_ID + (page - 1) * self.items_per_page;
        for (at, id) in template.ids.iter().zip(first..) {
            number(answer, *at, id);
        }
        number(answer, template.page, page);
        number(answer, template.total, pages * self.items_per_page);
        number(answer, template.total_pages, pages);
        flag(answer, template.has_next, page < pages);
        flag(answer, template.has_prev, page > 1);
    }
}

impl Template {
    fn new(items: u64, random: &mut Random) -> Self {
        let mut body = String::from(r#"{"data":["#);
        let mut ids = Vec::new();
        for index in 0..items {
            if index > 0 {
                body.push(',');
            }
            ids.push(item(&mut body, random));
        }
        body.push_str("],");
        let mut place = |key: &str, width: &str| {
            body.push_str(key);
            body.push_str(width);
            body.len() - width.len()
        };
        let page = place(r#""pagination":{"page":"#, NUMBER);
        place(r#","per_page":"#, &items.to_string());
        let total = place(r#","total":"#, NUMBER);
        let total_pages = place(r#","total_pages":"#, NUMBER);
        let has_next = place(r#","has_next":"#, FLAG);
        let has_prev = place(r#","has_prev":"#, FLAG);
        body.push_str("}}");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let shift = head.len();
        Self {
            bytes: (head + &body).into_bytes(),
            ids: ids.into_iter().map(|at| at + shift).collect(),
            page: page + shift,
            total: total + shift,
            total_pages: total_pages + shift,
            has_next: has_next + shift,
            has_prev: has_prev + shift,
        }
    }
}

/// Appends an item of about 250 bytes; returns where its id is.
fn item(body: &mut String, random: &mut Random) -> usize {
    let first = random.one_of(&["Marta", "Yusuf", "Anneliese", "Bo", "Chiamaka", "Rafael", "Ines"]);
    let last = random.one_of(&["Lindqvist", "Okafor", "Wei", "Fernandez", "Szczepański", "Ito"]);
    let status = random.one_of(&["active", "suspended", "pending", "closed"]);
    let (city, country) = *random.one_of(&[
        ("Bergen", "Norway"),
        ("São Paulo", "Brazil"),
        ("Ulaanbaatar", "Mongolia"),
        ("Cork", "Ireland"),
        ("San Fernando del Valle", "Argentina"),
    ]);
    let street = random.one_of(&["Harbour Road", "Rua da Consolação", "Peace Avenue", "Mill Lane"]);
    let (score, visits) = (random.below(10_000), random.below(1_000_000));
    let (house, verified) = (random.below(400), random.below(2) == 1);
    let (month, day) = (random.below(12) + 1, random.below(28) + 1);
    let (hour, minute) = (random.below(24), random.below(60));
    body.push_str(r#"{"id":"#);
    let id = body.len();
    body.push_str(NUMBER);
    body.push_str(&format!(
        r#","name":"{first} {last}","email":"{}.{}@example.com","status":"{status}","score":{}.{:02},"visits":{visits},"is_verified":{verified},"created_at":"2024-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z","address":{{"street":"{street} {house}","city":"{city}","country":"{country}"}}}}"#,
        first.to_lowercase(),
        last.to_lowercase(),
        score / 100,
        score % 100,
    ));
    id
}

fn number(answer: &mut [u8], at: usize, mut number: u64) {
    let place = &mut answer[at..at + NUMBER.len()];
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    // A number has no leading zeros, but may have blanks before it.
    for digit in place.iter_mut().take(NUMBER.len() - 1).take_while(|digit| **digit == b'0') {
        *digit = b' ';
    }
}

fn flag(answer: &mut [u8], at: usize, flag: bool) {
    answer[at..at + FLAG.len()].copy_from_slice(if flag { b" true" } else { b"false" });
}

/// A splitmix64 generator: the same items in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}
