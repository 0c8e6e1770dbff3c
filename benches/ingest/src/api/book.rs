//! [pure] The pages that are served: items of 12 fields and about 350 bytes, in answers that are
//! ready to be sent.

use std::fmt::Write;

/// How many items a page has.
pub const PER_PAGE: u64 = 100;

/// A set of items.
pub struct Book {
    pages: Vec<Vec<u8>>,
    /// What is after the last page: one without items.
    end: Vec<u8>,
}

impl Book {
    /// So many items, a multiple of those of a page.
    pub fn new(rows: u64) -> Self {
        let count = rows / PER_PAGE;
        let mut random = Random(1);
        let pages = (1..=count).map(|page| {
            let first = (page - 1) * PER_PAGE + 1;
            let mut items = String::new();
            for id in first..first + PER_PAGE {
                if id > first {
                    items.push(',');
                }
                push_item(&mut items, id, &mut random);
            }
            answer(page, count, &items)
        });
        Self { pages: pages.collect(), end: answer(count + 1, count, "") }
    }

    pub fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    pub fn rows(&self) -> u64 {
        self.pages() * PER_PAGE
    }

    /// The answer with a page, from 1.
    pub fn page(&self, number: u64) -> &[u8] {
        let page = number.checked_sub(1).and_then(|index| self.pages.get(index as usize));
        page.unwrap_or(&self.end)
    }
}

fn answer(page: u64, pages: u64, items: &str) -> Vec<u8> {
    let total = pages * PER_PAGE;
    let (has_next, has_prev) = (page < pages, page > 1);
    let body = format!(
        r#"{{"data":[{items}],"pagination":{{"page":{page},"per_page":{PER_PAGE},"total":{total},"total_pages":{pages},"has_next":{has_next},"has_prev":{has_prev}}}}}"#
    );
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    (head + &body).into_bytes()
}

// Writing into a text does not fail.
fn push_item(out: &mut String, id: u64, random: &mut Random) {
    let (first, last) = (random.one_of(&FIRST_NAMES), random.one_of(&LAST_NAMES));
    let (country, city) = random.one_of(&PLACES);
    let company = random.one_of(&COMPANIES);
    let (visits, score) = (random.below(100_000), random.below(9_000) + 1_000);
    let (whole, hundredths) = (score / 100, score % 100);
    let active = random.below(2) == 1;
    let _ = write!(
        out,
        r#"{{"id":{id},"name":"{first} {last}","email":"{first}.{id}@example.com","company":"{company}","country":"{country}","city":"{city}","#
    );
    for name in ["created_at", "updated_at"] {
        let [month, day] = [12, 28].map(|bound| random.below(bound) + 1);
        let [hour, minute, second] = [24, 60, 60].map(|bound| random.below(bound));
        let _ = write!(
            out,
            r#""{name}":"2024-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z","#
        );
    }
    let _ = write!(
        out,
        r#""visits":{visits},"score":{whole}.{hundredths:02},"active":{active},"note":""#
    );
    for _ in 0..12 {
        let _ = write!(out, "{} ", random.one_of(&WORDS));
    }
    out.push_str("end\"}");
}

const FIRST_NAMES: [&str; 8] =
    ["Katherine", "Ada", "Grace", "Dorothy", "Emmy", "Sofia", "Hedy", "Margaret"];
const LAST_NAMES: [&str; 8] =
    ["Johnson", "Lovelace", "Hopper", "Vaughan", "Noether", "Kovalevskaya", "Lamarr", "Hamilton"];
const COMPANIES: [&str; 6] = [
    "Northwind Traders",
    "Acme Works",
    "Globex",
    "Initech Systems",
    "Umbrella Mills",
    "Hooli Labs",
];
const PLACES: [(&str, &str); 8] = [
    ("Latvia", "Riga"),
    ("Portugal", "Lisbon"),
    ("Japan", "Osaka"),
    ("Canada", "Toronto"),
    ("Kenya", "Nairobi"),
    ("Brazil", "Recife"),
    ("Norway", "Bergen"),
    ("India", "Pune"),
];
const WORDS: [&str; 12] = [
    "ledger", "harbour", "signal", "meadow", "copper", "window", "garden", "quartz", "lantern",
    "orchard", "silver", "thread",
];

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

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &[u8]) -> serde_json::Value {
        let text = std::str::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn pages_have_the_items_one_after_the_other() {
        let book = Book::new(300);
        let mut ids = Vec::new();
        for number in 1..=3 {
            let page = body(book.page(number));
            assert_eq!(page["pagination"]["has_next"], number < 3);
            let items = page["data"].as_array().unwrap().clone();
            assert!(items.iter().all(|item| item.as_object().unwrap().len() == 12));
            ids.extend(items.iter().map(|item| item["id"].as_u64().unwrap()));
        }
        assert_eq!(ids, (1..=300).collect::<Vec<_>>());
        assert_eq!(body(book.page(4))["data"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn an_item_has_about_350_bytes() {
        let book = Book::new(1000);
        let bytes: usize = (1..=10).map(|number| book.page(number).len()).sum();
        assert!((320..380).contains(&(bytes / 1000)), "{bytes}");
    }
}
