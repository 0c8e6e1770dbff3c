//! Items of lines such as `| name=Ghana | population=31`: an extractor that is written in Rust.

use exports::vantage::extract::extractor::{
    Body, Description, Encoding, Extracted, Guest, Page,
};

wit_bindgen::generate!({ path: "../../wit", world: "extraction" });

struct Words;

impl Guest for Words {
    fn describe() -> Description {
        Description {
            content_types: vec!["text/*".to_owned()],
            encoding: Encoding::Text,
            names_next: false,
        }
    }

    fn extract(page: Page) -> Result<Extracted, String> {
        let Body::Text(text) = page.body else { return Err("no-text".to_owned()) };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let items = lines.map(item).collect::<Option<_>>().ok_or("other-line")?;
        Ok(Extracted { items, next: None, total: None })
    }
}

fn item(line: &str) -> Option<String> {
    let (_, fields) = line.split_once("| name=")?;
    let (name, population) = fields.split_once(" | population=")?;
    let population: u64 = population.parse().ok()?;
    Some(serde_json::json!({ "name": name, "population": population }).to_string())
}

export!(Words);
