//! What each kind makes of its bodies, without a server.

#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};
use vantage_api_extract::{
    Css, Csv, ExtractError, Extraction, Field, Limits, Lines, Regex, Text, Xml,
};

fn page(extraction: &Extraction, body: &str) -> Value {
    let page = extraction.page(body.as_bytes(), None, Some("http://h/a/b?page=1"));
    let page = page.unwrap_or_else(|error| panic!("{error}: {body}"));
    serde_json::from_str(&page).unwrap_or_else(|error| panic!("{error}: {page}"))
}

fn rows(extraction: &Extraction, body: &str) -> Value {
    page(extraction, body)["data"].clone()
}

fn refused(extraction: &Extraction, body: &str) -> ExtractError {
    extraction.page(body.as_bytes(), None, None).unwrap_err()
}

fn names(items: &str, name: &str) -> Extraction {
    Css::new(items).field("name", name).build().unwrap()
}

#[test]
fn css_reads_text_as_a_browser_shows_it() {
    let names = names("li", "b");
    for (html, name) in [
        ("<li><b>a</b></li>", json!("a")),
        ("<li><b> a\n <i>b</i>c </b></li>", json!("a bc")),
        ("<li><b>a&amp;b &eacute;&#x41;&nbsp;&lt;</b></li>", json!("a&b éA <")),
        ("<li><b>a<br>b</b></li>", json!("a b")),
        ("<li><b><p>a</p>b</b></li>", json!("a b")),
        ("<li><b>a<!-- not --><!---->b</b></li>", json!("ab")),
        ("<li><b>a<script>var x = '<b>';</script>b<style>b{}</style></b></li>", json!("ab")),
        ("<li><b></b></li>", json!("")),
        ("<li><b>first</b><b>second</b></li>", json!("first")),
        ("<li>none</li>", Value::Null),
        ("<LI><B>a</B></LI>", json!("a")),
        ("<ul><li><b>a</b></ul>", json!("a")),
        ("<li><b title='>'>a</b></li>", json!("a")),
        ("<li><b>日本</b></li>", json!("日本")),
    ] {
        assert_eq!(rows(&names, html), json!([{ "name": name }]), "{html}");
    }
}

#[test]
fn css_reads_attributes_lists_the_item_itself_and_scripts() {
    let links = Css::new("div.card[data-id]")
        .field("id", Field::new(".").attr("data-id").integer())
        .field("urls", Field::new("a").attr("href").list())
        .field("tags", Field::new("span.tag").list())
        .field("all", "")
        .field("image", Field::new("img").attr("src"))
        .field("json", "script[type='application/ld+json']")
        .build()
        .unwrap();
    let html = r#"<div class="card x" data-id=7><a href="/x?a=1&amp;b=2">x</a><a>no</a>
        <a href=y>y</a><span class=tag>p</span><span class=tag>q</span><img src=i.png>
        <script type="application/ld+json">{"a":  "&amp;"}</script></div><div class=card>no</div>"#;
    let all = json!([{
        "id": 7, "urls": ["/x?a=1&b=2", "y"], "tags": ["p", "q"], "all": "xno yp q",
        "image": "i.png", "json": "{\"a\":  \"&amp;\"}",
    }]);
    let found = rows(&links, html);
    assert_eq!(found[0]["urls"], all[0]["urls"]);
    assert_eq!(found[0]["json"], all[0]["json"]);
    assert_eq!(found[0]["tags"], all[0]["tags"]);
    assert_eq!((&found[0]["id"], &found[0]["image"]), (&json!(7), &json!("i.png")));
    assert_eq!(found[0]["all"], json!("xno ypq"));
}

#[test]
fn css_items_without_end_tags_are_items_and_fields_without_them_are_errors() {
    let cells = Css::new("tr").field("a", "td.a").field("n", "td.n").build().unwrap();
    let html = "<table><tr><td class=a>1</td><td class=n>2</td>\
                <tr><td class=a>3</td><td class=n>4</td></table>";
    let both = json!([{ "a": "1", "n": "2" }, { "a": "3", "n": "4" }]);
    assert_eq!(rows(&cells, html), both);
    let error = refused(&cells, "<table><tr><td class=a>1<td class=n>2<tr><td class=a>3</table>");
    assert!(error.to_string().contains("`a`"), "{error}");

    // Items inside items have their own fields, in the order of their start tags.
    let nested = names("li", "b");
    let html = "<ul><li><b>1</b><ul><li><b>2</b></li><li><b>3</b></li></ul></li><li>4</li></ul>";
    let all = json!([{ "name": "1" }, { "name": "2" }, { "name": "3" }, { "name": null }]);
    assert_eq!(rows(&nested, html), all);
    let many = "<li><b>x</b>".repeat(5_000);
    assert_eq!(rows(&nested, &format!("<ul>{many}</ul>")).as_array().unwrap().len(), 5_000);
}

#[test]
fn css_selectors_may_be_lists_and_name_children() {
    let both = Css::new("p.x, li").field("v", "> b, i, em").build().unwrap();
    let html = "<p class=x><b>1</b></p><li><i>2</i></li><li><a><b>no</b></a><em>3</em></li>";
    assert_eq!(rows(&both, html), json!([{ "v": "1" }, { "v": "2" }, { "v": "3" }]));
    let list = Css::new("li").field("v", Field::new("b, .x").list()).build().unwrap();
    assert_eq!(
        rows(&list, "<li><b class=x>1</b><i class=x>2</i></li>"),
        json!([{ "v": ["1", "2"] }])
    );
}

#[test]
fn the_next_page_and_the_total_are_told_and_the_next_is_relative_to_the_page() {
    let css =
        Css::new("li").field("v", ".").next("a[rel=next]").total("span.count").build().unwrap();
    let html = "<li>1</li><span class=count>1,234 hits</span><a rel=next href='?page=2#top'>2</a>";
    let told = page(&css, html);
    assert_eq!(told["next"], json!("http://h/a/b?page=2"));
    assert_eq!(told["pagination"]["total"], json!(1234));
    let last = page(&css, "<li>1</li><a rel=prev href=x>0</a>");
    assert_eq!((last.get("next"), last.get("pagination")), (Some(&Value::Null), None));
    let range = Css::new("li").field("v", ".").total(Field::new("p").matching("of (.*)"));
    let range = range.build().unwrap();
    assert_eq!(page(&range, "<li>1</li><p>1-10 of 95</p>")["pagination"]["total"], json!(95));
    assert!(matches!(
        refused(&css, "<li>1</li><span class=count>1 to 10 of 95</span>"),
        ExtractError::Malformed { .. }
    ));

    let xml = Xml::new("e").field("v", ".").next("/r/link/@href").total("/r/n").build().unwrap();
    let told = page(&xml, "<r><link href='../c?x=1&amp;y=2'/><n>7</n><e>1</e></r>");
    assert_eq!(told["next"], json!("http://h/c?x=1&y=2"));
    assert_eq!(told["pagination"]["total"], json!(7));

    let regex = Regex::new("<(?<v>.)>").next("next=(\\S+)").total("of (\\d+)").build().unwrap();
    let told = page(&regex, "<a> next=/x of 9");
    assert_eq!((&told["next"], &told["pagination"]["total"]), (&json!("http://h/x"), &json!(9)));
}

#[test]
fn a_next_url_that_means_the_page_itself_is_no_next_page() {
    let css = Css::new("li").field("v", ".").next("a").build().unwrap();
    let xml = Xml::new("e").field("v", ".").next("/r/@next").build().unwrap();
    let regex = Regex::new("<(?<v>.)>").next("next=([^;]*);").build().unwrap();
    for (url, next) in [
        ("", Value::Null),
        ("#", Value::Null),
        (" \n", Value::Null),
        (" #top", Value::Null),
        ("?", json!("http://h/a/b?")),
        ("?page=2#", json!("http://h/a/b?page=2")),
    ] {
        let html = format!("<li>1</li><a href='{url}'>next</a>");
        let told = [
            page(&css, &html),
            page(&xml, &format!("<r next='{url}'><e>1</e></r>")),
            page(&regex, &format!("<1> next={url};")),
        ];
        assert!(told.iter().all(|told| told.get("next") == Some(&next)), "{url:?}: {told:?}");
        if next.is_null() {
            let based = page(&css, &format!("<base href='/x/'>{html}"));
            assert_eq!(based.get("next"), Some(&Value::Null), "{url:?}");
        }
    }
}

#[test]
fn a_page_without_items_is_an_error_unless_it_is_allowed() {
    let lines = || Lines::new().build().unwrap();
    assert!(matches!(refused(&lines(), " \n"), ExtractError::NoItems { .. }));
    assert_eq!(page(&lines().allow_empty(), ""), json!({ "data": [] }));
    let error = refused(&names("tr.row", "td"), "<table><tr><td>1</td></tr></table>");
    assert!(error.to_string().contains("`tr.row`"), "{error}");
    assert!(matches!(
        refused(&lines().allow_empty_after_first(), ""),
        ExtractError::NoItems { .. }
    ));
}

#[test]
fn what_is_not_of_the_kind_is_refused() {
    let css = names("li", "b");
    for kind in ["application/json", "text/csv", "image/png"] {
        let error = css.page(b"<li><b>1</b></li>", Some(kind), None).unwrap_err();
        assert!(matches!(error, ExtractError::ContentType { .. }), "{error}");
    }
    let any = css.content_types(["*/*"]);
    assert!(any.page(b"<li><b>1</b></li>", Some("image/png"), None).is_ok());
}

#[test]
fn xml_reads_elements_attributes_and_text_with_their_entities() {
    let books = Xml::new("book")
        .field("id", Field::new("@id").integer())
        .field("title", "title")
        .field("lang", "title/@lang")
        .field("all", Field::new("//p").list())
        .build()
        .unwrap();
    let xml = r#"<?xml version="1.0"?><!DOCTYPE x><x:cat xmlns:x="y"><x:book x:id="7">
        <title lang="a&quot;b">A <i>b</i> &lt;&#65;<![CDATA[<&amp;>]]></title><d><p>1</p></d><p/></x:book>
        <book id='8'/></x:cat>"#;
    let all = json!([
        { "id": 7, "title": "A b <A<&amp;>", "lang": "a\"b", "all": ["1", ""] },
        { "id": 8, "title": null, "lang": null, "all": [] },
    ]);
    assert_eq!(rows(&books, xml), all);
    for xml in [
        "<a><book>",
        "<a><book></a>",
        "<a><book/></a><b/>",
        "<a><book/></a>text",
        "<a><book>&nbsp;</book></a>",
        "<a><book id='&x;'/></a>",
        "<a><book id=1/></a>",
        "<a><book/><",
        "<a><book><![CDATA[x</book></a>",
        "",
        "text",
        "<!-- a -->",
    ] {
        let error = refused(&books, xml);
        let is_refused = matches!(error, ExtractError::Malformed { format: "XML", .. });
        assert!(is_refused, "{xml}: {error}");
    }
}

#[test]
fn csv_reads_columns_by_their_names_or_numbers_of_names() {
    let all = Csv::new().build().unwrap();
    let csv = "\u{feff}a,b\r\n1,\"x \"\"y\"\"\nz\"\r\n2,\r\n";
    let both = json!([{ "a": "1", "b": "x \"y\"\nz" }, { "a": "2", "b": "" }]);
    assert_eq!(rows(&all, csv), both);
    for csv in ["a,b\n1\n", "a,b\n1,2,3\n", "a,a\n1,2\n", "a,b\n1,\"2\n", "a,b\n1,2\n3\n"] {
        let error = refused(&all, csv);
        assert!(matches!(error, ExtractError::Malformed { format: "CSV", .. }), "{csv:?}: {error}");
    }
    let typed = Csv::new().field("n", Field::new("b").integer()).build().unwrap();
    let error = refused(&typed, "a,b\n1,2\n3,x\n");
    assert!(matches!(error, ExtractError::Type { item: 2, .. }), "{error}");
    let error = refused(&typed, "a,c\n1,2\n");
    assert!(error.to_string().contains("`b`"), "{error}");
    let spaced = Csv::new().trims(true).comment(b'#').delimiter(b'\t').build().unwrap();
    assert_eq!(rows(&spaced, "# \"\na \t b\n 1\t2 \n"), json!([{ "a": "1", "b": "2" }]));
}

#[test]
fn text_is_read_in_its_encoding_and_limits_are_named() {
    let text = Text::new().build().unwrap();
    let latin = text.page(b"\xe9", Some("text/plain; charset=iso-8859-1"), None).unwrap();
    assert_eq!(latin, r#"{"data":[{"text":"é"}]}"#);
    let error = text.page(b"\xe9", Some("text/plain"), None).unwrap_err();
    assert_eq!(error, ExtractError::Encoding { encoding: "UTF-8" });
    let lossy = text.clone().lossy_text(true).page(b"\xe9", None, None).unwrap();
    assert_eq!(lossy, "{\"data\":[{\"text\":\"\u{fffd}\"}]}");
    assert!(text.charset("cp1251").unwrap().page(b"\xe0", None, None).unwrap().contains('а'));

    let limits = Limits::default();
    for (limits, name) in [
        (limits.items(2), "items"),
        (limits.item_bytes(8), "item_bytes"),
        (limits.memory(30), "memory"),
    ] {
        let lines = Lines::new().build().unwrap().limits(limits).unwrap();
        assert_eq!(refused(&lines, "1\n2\n3\n").limit(), Some(name));
    }
}

#[test]
fn the_text_of_an_element_that_has_no_markup_is_as_it_is() {
    for tag in ["script", "style", "noscript", "iframe", "xmp", "noembed", "noframes"] {
        let css = Css::new("li").field("v", tag).field("all", ".").build().unwrap();
        let read = page(&css, &format!("<li>a<{tag}> x <b>&amp;</b> </{tag}>b</li>"));
        assert_eq!(read["data"][0]["v"], json!(" x <b>&amp;</b> "), "{tag}");
        assert_eq!(read["data"][0]["all"], json!("ab"), "{tag}");
    }
}

#[test]
fn a_text_without_the_first_group_of_a_pattern_is_missing() {
    let csv = |pattern: &str| {
        let field = Field::new("a").matching(pattern);
        let csv = Csv::new().field("v", field).build().unwrap();
        page(&csv, "a\n12 kg\n")["data"][0]["v"].clone()
    };
    for (pattern, value) in
        [(r"\d+", json!("12")), (r"\d+ (\w+)", json!("kg")), (r"\d+(,\d+)?", Value::Null)]
    {
        assert_eq!(csv(pattern), value, "{pattern}");
    }
}

#[cfg(feature = "tree")]
mod tree {
    use super::*;

    fn tree(items: &str, field: impl Into<Field>) -> Extraction {
        Css::new(items).field("v", field).tree().build().unwrap()
    }

    #[test]
    fn selectors_that_need_what_is_around_an_element_find_it() {
        let html = "<h2>a</h2><p>1</p><p>2</p><h2>b</h2><div><p class=x>3</p><p></p></div><hr>";
        for (items, found) in [
            ("h2 + p", json!(["1"])),
            ("h2 ~ p", json!(["1", "2"])),
            ("p:last-child", json!([""])),
            ("p:nth-last-child(2)", json!(["3"])),
            ("div:has(> .x)", json!(["3"])),
            ("h2:has(+ div)", json!(["b"])),
            (":is(h2, hr)", json!(["a", "b", ""])),
            ("p:empty", json!([""])),
            ("p:not(.x):not(:empty)", json!(["1", "2"])),
            ("p:nth-child(even of p)", Value::Null),
        ] {
            let Ok(items) = Css::new(items).field("v", ".").tree().build() else {
                assert!(found.is_null(), "{items}");
                continue;
            };
            let rows = rows(&items, html);
            let texts: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["v"]).collect();
            assert_eq!(json!(texts), found);
        }
    }

    #[test]
    fn a_tree_and_a_stream_find_the_same_where_nothing_is_left_open() {
        let html = r#"<base href="/x/"><ul><li id=a><b>1 &amp; <i>2</i></b><a href="?a&amp;b">l</a>
            <script>if (a<b) "&amp;"</script><ul><li id=b><b>3<br>4</b></li></ul><b>5</b></li></ul>
            <span>7 of 9</span><a rel=next href=n>next</a>"#;
        let css = || {
            Css::new("li")
                .field("id", Field::new(".").attr("id"))
                .field("first", "b")
                .field("all", Field::new("b, u").list())
                .field("own", ".")
                .field("link", Field::new("> a").attr("href"))
                .field("script", "script")
                .field("none", "u")
                .next("a[rel=next]")
                .total(Field::new("span").matching("of (.*)"))
        };
        let (stream, tree) = (css().build().unwrap(), css().tree().build().unwrap());
        let told = page(&tree, html);
        assert_eq!(told, page(&stream, html));
        assert_eq!(told["next"], json!("http://h/x/n"));
        assert_eq!(told["data"][0]["all"], json!(["1 & 2", "5"]));
        // Without a tree, one inside another is whole before it.
        let list = || Css::new("li").field("v", Field::new("b, i").list());
        let html = "<li><b>1<i>2</i></b></li>";
        assert_eq!(rows(&list().build().unwrap(), html), json!([{ "v": ["2", "12"] }]));
        assert_eq!(rows(&list().tree().build().unwrap(), html), json!([{ "v": ["12", "2"] }]));
    }

    #[test]
    fn tags_that_are_left_open_end_where_a_browser_ends_them() {
        let cells = tree("tr", "td.a");
        let html = "<table><tr><td class=a>1<td>2<tr><td class=a>3</table>";
        assert_eq!(rows(&cells, html), json!([{ "v": "1" }, { "v": "3" }]));
        let html = "<p class=a><b>1<p class=a>2</b>3";
        assert_eq!(rows(&tree("p.a", "."), html), json!([{ "v": "1" }, { "v": "23" }]));
        // A table has a body, whether it is written or not.
        let rows_of = |items: &str| tree(items, ".").page(b"<table><tr><td>1", None, None);
        assert!(matches!(rows_of("table > tr"), Err(ExtractError::NoItems { .. })));
        assert!(rows_of("table > tbody > tr").is_ok());
        assert!(matches!(
            tree("p", ".").page(b"<template><p>1</template>", None, None),
            Err(ExtractError::NoItems { .. })
        ));
    }

    #[test]
    fn limits_hold_while_a_tree_is_made() {
        let all = || tree("p", ".").allow_empty();
        let limits = Limits::default().depth(20).attributes(3).memory(50_000);
        for (html, limit) in [
            ("<div>".repeat(19), Some("depth")),
            ("<div>".repeat(18), None),
            ("<p></p>".repeat(1_000), Some("memory")),
            ("<p a b c d>".to_owned(), Some("attributes")),
            ("<body a b><body c d e>".to_owned(), None),
            (format!("<!--{}-->", "x".repeat(60_000)), None),
            (format!("<p>{}", "x".repeat(60_000)), Some("memory")),
            (format!("<p a={}>", "x".repeat(60_000)), Some("memory")),
        ] {
            let page = all().limits(limits).unwrap().page(html.as_bytes(), None, None);
            let exceeded = page.as_ref().err().and_then(ExtractError::limit);
            assert_eq!(exceeded, limit, "{html:.40}: {page:?}");
        }
    }

    #[test]
    fn selectors_that_take_too_long_on_some_pages_are_refused() {
        for selector in ["div:has(a ~ b)", ":is(a ~ b) ~ c", "a:not(:has(~ b))", "a:has("] {
            let error = Css::new(selector).field("v", ".").tree().build().unwrap_err();
            assert!(error.to_string().contains(selector), "{error}");
        }
    }

    #[test]
    fn its_form_as_data_is_that_of_css() {
        let settings = r#"{"tree": {"items": "dt:has(+ dd)", "fields": {"v": "."}}}"#;
        let settings: vantage_api_extract::Settings = serde_json::from_str(settings).unwrap();
        let found = rows(&settings.build().unwrap(), "<dl><dt>a<dt>b<dd>c</dl>");
        assert_eq!(found, json!([{ "v": "b" }]));
    }
}
