//! Pages of the book that the code makes: the error codes and the endpoints. They are checked in, and these tests compare.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use strait_api_types::ErrorCode;

/// Compares a page with what the code makes; `STRAIT_GOLDEN=write cargo test -p strait-api` rewrites it.
fn check(name: &str, made: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var("STRAIT_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, made).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == made,
        "docs/{name} is not what the code makes: STRAIT_GOLDEN=write cargo test -p strait-api rewrites it"
    );
}

/// What a caller does about codes with that status.
const CLASSES: [(&str, &str, &[u16]); 6] = [
    (
        "Correct the request",
        "The request itself is at fault. Nothing was done; the same request will fail again.",
        &[400, 404, 405, 406, 413, 415, 422, 428],
    ),
    (
        "Read the events",
        "It was long ago. What became of it, the events tell that are kept; what was removed nobody tells.",
        &[410],
    ),
    (
        "Ask the operator",
        "The token or the operator's settings do not permit it. Nothing was done.",
        &[401, 403],
    ),
    (
        "Wait for another state, or ask for something else",
        "The request is well formed, but the node's state does not permit it now. Nothing was done.",
        &[409],
    ),
    (
        "Ask more slowly",
        "Wait as long as `Retry-After` says, or a second, and ask with the same key.",
        &[429],
    ),
    (
        "Ask again",
        "The node, or something that it needs, is at fault. Ask again with the same key; [runbooks](runbooks/api-errors.md) tell the \
         operator what to do.",
        &[408, 500, 503, 504],
    ),
];

#[test]
fn the_page_of_error_codes_is_checked_in() {
    let mut page = String::from(
        "# Error codes\n\nMade from the code (`crates/api-types/src/error.rs`). Every failure of [the REST interface](api.md) is \
         `{\"error\":{\"code\":\"…\",\"message\":\"…\",\"hint\":\"…\"}}`; `code` is one of these, `message` says what was wrong in this case, `hint` \
         what would be right.\n\n*Final* means that the intention behind the request will not come about by this asking, so a new key is \
         safe. After a code that is not final nobody knows yet: ask again **with the same idempotency key** ([error handling](error-handling.md)).\n",
    );
    let mut told = 0;
    for (title, text, statuses) in CLASSES {
        write!(
            page,
            "\n## {title}\n\n{text}\n\n| code | status | final | meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for code in ErrorCode::ALL.iter().filter(|code| statuses.contains(&code.http_status())) {
            let end = if code.is_final() { "yes" } else { "**no**" };
            let (status, meaning) = (code.http_status(), code.meaning());
            writeln!(page, "| `{code}` | {status} | {end} | {meaning} |").unwrap();
            told += 1;
        }
    }
    assert_eq!(told, ErrorCode::ALL.len(), "a status belongs to no class");
    check("error-codes.md", &page);
}

#[test]
fn the_page_of_endpoints_is_checked_in() {
    let document: Value = serde_json::from_str(&strait_api::openapi_json()).unwrap();
    let mut page = String::from(
        "# Endpoints\n\nMade from [`docs/api/openapi.json`](api/openapi.json), which a running node gives out too. What such a list cannot say, \
         such as when an answer comes and what a key is for, is in [the REST interface](api.md). Money is a whole number with its unit in the \
         name; ids and bytes are lower-case hex. Every request carries the token; every failure is an [error code](error-codes.md).\n",
    );
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, endpoint) in methods.as_object().unwrap() {
            describe_endpoint(&mut page, &method.to_uppercase(), path, endpoint);
        }
    }
    page.push_str("\n# Types\n");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        describe_type(&mut page, name, schema);
    }
    check("api-reference.md", &page);
}

fn describe_endpoint(page: &mut String, method: &str, path: &str, endpoint: &Value) {
    let summary = endpoint["summary"].as_str().unwrap_or_default();
    write!(page, "\n## `{method} {path}`\n\n{summary}\n").unwrap();
    if let Some(text) = endpoint["description"].as_str() {
        write!(page, "\n{}\n", one_line(text)).unwrap();
    }
    let parameters = endpoint["parameters"].as_array().into_iter().flatten();
    let rows: String = parameters
        .map(|it| {
            let (name, place) = (text(it, "name"), text(it, "in"));
            let must = if it["required"] == true { "yes" } else { "" };
            let what = type_of(&it["schema"]);
            format!("| `{name}` | {place} | {what} | {must} | {} |\n", text(it, "description"))
        })
        .collect();
    if !rows.is_empty() {
        write!(
            page,
            "\n| parameter | in | type | required | meaning |\n|---|---|---|---|---|\n{rows}"
        )
        .unwrap();
    }
    for (kind, content) in endpoint["requestBody"]["content"].as_object().into_iter().flatten() {
        write!(page, "\nBody (`{kind}`): {}.\n", type_of(&content["schema"])).unwrap();
    }
    for (status, response) in endpoint["responses"].as_object().into_iter().flatten() {
        let mut kinds: Vec<String> = Vec::new();
        for (kind, content) in response["content"].as_object().into_iter().flatten() {
            kinds.push(format!("{} (`{kind}`)", type_of(&content["schema"])));
        }
        let (status, words) =
            (status.replace("default", "of a failure"), text(response, "description"));
        let what = kinds.join(", ");
        let words = words.trim_end_matches('.').trim_end_matches("Failure");
        let colon = if what.is_empty() || words.is_empty() { "" } else { ": " };
        write!(page, "\nAnswer {status}: {words}{colon}{what}.\n").unwrap();
    }
}

fn describe_type(page: &mut String, name: &str, schema: &Value) {
    write!(page, "\n## {name}\n\n{}\n", one_line(text(schema, "description"))).unwrap();
    describe_fields(page, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part["$ref"].as_str() {
            Some(_) => write!(page, "\nAll of {}, and:\n", type_of(part)).unwrap(),
            None => describe_fields(page, part),
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|it| format!("`{}`", plain(it))).collect();
        write!(page, "\nOne of {}.\n", values.join(", ")).unwrap();
    }
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        let fields = variant["properties"].as_object();
        let tag = fields.and_then(|fields| {
            fields.iter().find_map(|(name, it)| match it["enum"].as_array()?.as_slice() {
                [value] => Some(format!("`{name}` is `{}`", plain(value))),
                _ => None,
            })
        });
        let value = variant["enum"][0].as_str();
        let what = match (tag, value) {
            (Some(tag), _) => tag,
            (None, Some(value)) => format!("`{value}`"),
            (None, None) => type_of(variant),
        };
        let words = one_line(text(variant, "description"));
        write!(
            page,
            "\n**{what}**{}\n",
            if words.is_empty() { String::new() } else { format!(": {words}") }
        )
        .unwrap();
        describe_fields(page, variant);
    }
}

fn describe_fields(page: &mut String, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else { return };
    let needed = schema["required"].as_array();
    let fields =
        fields.iter().filter(|(_, field)| field["enum"].as_array().is_none_or(|it| it.len() != 1));
    let rows: String = fields
        .map(|(name, field)| {
            let must = needed.is_some_and(|needed| needed.iter().any(|it| it == name));
            let must = if must { "yes" } else { "" };
            format!(
                "| `{name}` | {} | {must} | {} |\n",
                type_of(field),
                one_line(text(field, "description"))
            )
        })
        .collect();
    if !rows.is_empty() {
        write!(page, "\n| field | type | always | meaning |\n|---|---|---|---|\n{rows}").unwrap();
    }
}

/// A type in few words; those with a name of their own as a link to it.
fn type_of(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[key].as_array() {
            let mut names: Vec<String> =
                choices.iter().filter(|it| it["type"] != "null").map(type_of).collect();
            names.dedup();
            return names.join(" or ");
        }
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|it| *it != "null").collect()
        }
        Value::String(name) => vec![name],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    match names.as_slice() {
        ["array"] => format!("list of {}", type_of(&schema["items"])),
        [] => "any".to_owned(),
        names => names.join(" or "),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Text that fits into a row of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
