//! Components as text.

/// A core module and the interface around it. `%describe%` and `%extract%` are the bodies of the
/// functions, `%more%` what else is in the module.
const COMPONENT: &str = r#"
(component
  (core module $code
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 8192))
    (func $allocated (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (block $fits
        (loop $more
          (br_if $fits (i32.le_u
            (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
          (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable)
      (local.get $at))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (call $allocated (local.get 2) (local.get 3)))
    ;; Ends `extract`: with a list of items, or with an error.
    (func $extracted (param $list i32) (param $count i32) (result i32)
      (i32.store (i32.const 2056) (local.get $list))
      (i32.store (i32.const 2060) (local.get $count))
      (i32.const 2048))
    (func $failed (param $text i32) (param $size i32) (result i32)
      (i32.store8 (i32.const 2048) (i32.const 1))
      (i32.store (i32.const 2056) (local.get $text))
      (i32.store (i32.const 2060) (local.get $size))
      (i32.const 2048))
    %more%
    (func (export "describe") (result i32) %describe%)
    (func (export "extract")
      (param $is_text i32) (param $body i32) (param $size i32)
      (param $has_type i32) (param $type i32) (param $type_size i32)
      (param $has_url i32) (param $url i32) (param $url_size i32)
      (param $index i64) (result i32)
      %extract%))
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (alias core export $code "realloc" (core func $realloc))
  (type $encoding (enum "as-sent" "text"))
  (type $description (record
    (field "content-types" (list string))
    (field "encoding" $encoding)
    (field "names-next" bool)))
  (type $body (variant (case "bytes" (list u8)) (case "text" string)))
  (type $page (record
    (field "body" $body)
    (field "content-type" (option string))
    (field "url" (option string))
    (field "index" u64)))
  (type $extracted (record
    (field "items" (list string))
    (field "next" (option string))
    (field "total" (option u64))))
  (func $describe (result $description)
    (canon lift (core func $code "describe") (memory (core memory $memory)) (realloc (core func $realloc))))
  (func $extract (param "page" $page) (result (result $extracted (error string)))
    (canon lift (core func $code "extract") (memory (core memory $memory)) (realloc (core func $realloc))))
  (instance $extractor
    (export "encoding" (type $encoding))
    (export "description" (type $description))
    (export "body" (type $body))
    (export "page" (type $page))
    (export "extracted" (type $extracted))
    (export "describe" (func $describe))
    (export "extract" (func $extract)))
  (export "vantage:extract/extractor@1.0.0" (instance $extractor)))
"#;

/// As bytes, not as text, of any type, naming no next page.
pub(crate) const ANY: &str = "(i32.const 1100)";
/// As text, which is plain, naming the next page.
pub(crate) const PLAIN_WITH_NEXT: &str = r#"
    (i32.store (i32.const 1216) (i32.const 1200))
    (i32.store (i32.const 1220) (i32.const 10))
    (i32.store (i32.const 1100) (i32.const 1216))
    (i32.store (i32.const 1104) (i32.const 1))
    (i32.store8 (i32.const 1108) (i32.const 1))
    (i32.store8 (i32.const 1109) (i32.const 1))
    (i32.const 1100)"#;

/// Each line is an item, `{"line":"…"}`; one that begins with `>` says where the next page is. A
/// line `!` traps.
pub(crate) const LINES: &str = r#"
    (local $end i32) (local $list i32) (local $count i32)
    (local $line i32) (local $length i32) (local $item i32)
    (local.set $end (i32.add (local.get $body) (local.get $size)))
    (local.set $list (call $allocated (i32.const 4)
      (i32.mul (i32.add (local.get $size) (i32.const 1)) (i32.const 8))))
    (loop $lines
      (local.set $line (local.get $body))
      (block $found
        (loop $look
          (br_if $found (i32.ge_u (local.get $body) (local.get $end)))
          (br_if $found (i32.eq (i32.load8_u (local.get $body)) (i32.const 10)))
          (local.set $body (i32.add (local.get $body) (i32.const 1)))
          (br $look)))
      (local.set $length (i32.sub (local.get $body) (local.get $line)))
      (local.set $body (i32.add (local.get $body) (i32.const 1)))
      (if (local.get $length) (then
        (if (i32.eq (i32.load8_u (local.get $line)) (i32.const 33)) (then unreachable))
        (if (i32.eq (i32.load8_u (local.get $line)) (i32.const 62))
          (then
            (i32.store8 (i32.const 2064) (i32.const 1))
            (i32.store (i32.const 2068) (i32.add (local.get $line) (i32.const 1)))
            (i32.store (i32.const 2072) (i32.sub (local.get $length) (i32.const 1)))
            (i32.store8 (i32.const 2080) (i32.const 1))
            (i64.store (i32.const 2088) (i64.const 4)))
          (else
            (local.set $item
              (call $allocated (i32.const 1) (i32.add (local.get $length) (i32.const 11))))
            (memory.copy (local.get $item) (i32.const 1024) (i32.const 9))
            (memory.copy (i32.add (local.get $item) (i32.const 9))
              (local.get $line) (local.get $length))
            (memory.copy
              (i32.add (i32.add (local.get $item) (i32.const 9)) (local.get $length))
              (i32.const 1033) (i32.const 2))
            (i32.store (local.get $list) (local.get $item))
            (i32.store (i32.add (local.get $list) (i32.const 4))
              (i32.add (local.get $length) (i32.const 11)))
            (local.set $list (i32.add (local.get $list) (i32.const 8)))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))))))
      (br_if $lines (i32.lt_u (local.get $body) (local.get $end))))
    (call $extracted
      (i32.sub (local.get $list) (i32.mul (local.get $count) (i32.const 8)))
      (local.get $count))"#;
/// What the above counts on, and the content type `text/plain`.
pub(crate) const TEXTS: &str = r#"
    (data (i32.const 1024) "{\"line\":\"\"}")
    (data (i32.const 1200) "text/plain")"#;

pub(crate) fn text(describe: &str, extract: &str, more: &str) -> String {
    let text = COMPONENT.replace("%describe%", describe);
    text.replace("%extract%", extract).replace("%more%", more)
}

/// The component of this text.
pub(crate) fn made(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Each line of any body is an item.
pub(crate) fn lines() -> Vec<u8> {
    made(&text(ANY, LINES, TEXTS))
}

/// Gives the item `1` after `extract` has done something.
pub(crate) fn one_item(extract: &str, more: &str) -> Vec<u8> {
    let extract = format!("{extract} (call $extracted (i32.const 1312) (i32.const 1))");
    made(&text(ANY, &extract, &format!("{ONE_ITEM} {more}")))
}

/// The item, and a list of it.
const ONE_ITEM: &str = r#"
    (data (i32.const 1300) "1")
    (data (i32.const 1312) "\14\05\00\00\01\00\00\00")"#;
