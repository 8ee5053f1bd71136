//! The rules of Prometheus, read line by line, and the metrics that an expression names.

/// A recording rule or an alert.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) expression: String,
    /// Of alerts only.
    pub(super) severity: Option<String>,
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) runbook: String,
}

/// All rules of a file.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) all: Vec<Rule>,
}

impl Rules {
    /// Reads the file. What it does not understand it leaves out; promtool judges the form.
    pub(super) fn parse(text: &str) -> Self {
        let mut all: Vec<Rule> = Vec::new();
        let mut is_expression = false;
        for line in text.lines() {
            let words = line.trim();
            if words.starts_with('#') || words.is_empty() {
                continue;
            }
            if let Some(name) = words.strip_prefix("- alert: ") {
                all.push(Rule { severity: Some(String::new()), ..Rule::named(name) });
            } else if let Some(name) = words.strip_prefix("- record: ") {
                all.push(Rule::named(name));
            }
            let Some(rule) = all.last_mut() else { continue };
            if let Some(expression) = words.strip_prefix("expr: ") {
                is_expression = expression == "|-";
                rule.expression = if is_expression { String::new() } else { unquoted(expression) };
                continue;
            }
            is_expression &= line.starts_with("          ");
            if is_expression {
                rule.expression.push_str(words);
                rule.expression.push('\n');
                continue;
            }
            rule.take(words);
        }
        Self { all }
    }

    /// Whether a rule records under that name.
    pub(super) fn records(&self, name: &str) -> bool {
        self.all.iter().any(|rule| rule.severity.is_none() && rule.name == name)
    }
}

impl Rule {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes one of the keys below a rule.
    fn take(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(": ") else { return };
        let value = unquoted(value);
        match key {
            "severity" => self.severity = Some(value),
            "summary" => self.summary = value,
            "description" => self.description = value,
            "runbook_url" => self.runbook = value,
            _ => {}
        }
    }
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace("''", "'"))
}

/// The names in an expression that can only be metrics: not in braces or quotes, not a label list, function or keyword.
pub(super) fn metrics_in(expression: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '$');
    let mut found: Vec<&str> = Vec::new();
    let mut rest = expression;
    let mut last = "";
    while let Some(start) = rest.find(|c: char| is_name(c) || matches!(c, '{' | '[' | '(')) {
        rest = rest.get(start..).unwrap_or_default();
        let closing = match rest.chars().next() {
            Some('{') => Some('}'),
            Some('[') => Some(']'),
            Some('(') if LABELS_FOLLOW.contains(&last) => Some(')'),
            Some('(') => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            Some(_) | None => None,
        };
        if let Some(closing) = closing {
            rest = rest.split_once(closing).map_or("", |(_, after)| after);
            last = "";
            continue;
        }
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let is_call = after.trim_start().starts_with('(');
        if !is_call && !KEYWORDS.contains(&name) && !name.starts_with(|c: char| c.is_ascii_digit())
        {
            found.push(name);
        }
        (last, rest) = (name, after);
    }
    found
}

/// Behind these stands a list of labels.
const LABELS_FOLLOW: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are no metric though nothing in parentheses follows them.
const KEYWORDS: [&str; 7] = ["and", "or", "unless", "offset", "bool", "sum", "count"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics_are_taken_for_metrics() {
        for (expression, expect) in [
            ("up{job=\"strait\"} == 0", vec!["up"]),
            ("sum by (job, instance) (rate(a_total{x=~\"b|c\"}[5m])) > 0.1", vec!["a_total"]),
            ("time() - b_seconds > 26 * 3600 and b_seconds > 0", vec!["b_seconds", "b_seconds"]),
            ("a unless on (job) (b offset 1d)", vec!["a", "b"]),
            ("x:y:p99_5m > 1", vec!["x:y:p99_5m"]),
        ] {
            assert_eq!(metrics_in(expression), expect, "{expression}");
        }
    }

    #[test]
    fn a_rule_is_read_with_all_its_keys() {
        let text = "      - alert: A\n        expr: |-\n          x\n          > 1\n        for: 5m\n        labels:\n          \
                    severity: page\n        annotations:\n          summary: 'it''s bad'\n";
        let rules = Rules::parse(text);
        let rule = rules.all.first().unwrap();
        assert_eq!((rule.name.as_str(), rule.expression.as_str()), ("A", "x\n> 1\n"));
        assert_eq!((rule.severity.as_deref(), rule.summary.as_str()), (Some("page"), "it's bad"));
    }
}
