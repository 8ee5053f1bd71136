//! Tells code from comments and strings in a Rust file, line by line.
//!
//! Knows line comments, nested block comments, strings with escapes, raw strings with any number of hashes, character
//! literals and lifetimes. It does not expand macros.

use std::iter::Peekable;
use std::str::Chars;

/// One line, taken apart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The code; of each string and character only the quotes are left.
    pub(super) code: String,
    /// The text of comments, markers included.
    pub(super) comment: String,
}

/// Takes `text` apart.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut scanner =
        Scanner { rest: text.chars().peekable(), lines: Vec::new(), line: Line::default() };
    scanner.scan();
    scanner.lines
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    lines: Vec<Line>,
    line: Line,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '/' if self.rest.peek() == Some(&'/') => self.line_comment(),
                '/' if self.rest.peek() == Some(&'*') => self.block_comment(),
                '"' => self.string(self.raw_hashes()),
                '\'' => self.quote(),
                _ => self.line.code.push(c),
            }
        }
        if self.line != Line::default() {
            self.end_line();
        }
    }

    /// The next character; ends the line behind a line break, which is not handed out as code.
    fn next(&mut self) -> Option<char> {
        loop {
            match self.rest.next()? {
                '\n' => self.end_line(),
                c => return Some(c),
            }
        }
    }

    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn line_comment(&mut self) {
        self.line.comment.push('/');
        while let Some(c) = self.rest.next_if(|c| *c != '\n') {
            self.line.comment.push(c);
        }
    }

    fn block_comment(&mut self) {
        self.line.comment.push('/');
        let mut depth = 0_u32;
        let mut before = '/';
        while let Some(c) = self.next() {
            self.line.comment.push(c);
            match (before, c) {
                ('/', '*') => {
                    depth = depth.saturating_add(1);
                    before = ' ';
                }
                ('*', '/') => {
                    depth = depth.saturating_sub(1);
                    before = ' ';
                }
                _ => before = c,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// How many hashes stand between an `r` and the quote just met; `None` if the string is not raw.
    fn raw_hashes(&self) -> Option<usize> {
        let opening = self.line.code.trim_end_matches('#');
        let hashes = self.line.code.len().saturating_sub(opening.len());
        let prefix: String =
            opening.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        matches!(prefix.as_str(), "r" | "rb" | "rc").then_some(hashes)
    }

    fn string(&mut self, raw_hashes: Option<usize>) {
        self.line.code.push('"');
        while let Some(c) = self.next() {
            match (c, raw_hashes) {
                ('\\', None) => self.escaped(),
                ('"', None) => break,
                ('"', Some(hashes)) if self.rest.clone().take(hashes).all(|c| c == '#') => {
                    for _ in 0..hashes {
                        self.rest.next();
                    }
                    break;
                }
                _ => {}
            }
        }
        self.line.code.push('"');
    }

    /// Passes over what a backslash in a string covers, which may be the end of a line.
    fn escaped(&mut self) {
        if self.rest.next() == Some('\n') {
            self.end_line();
        }
    }

    /// A character literal, or the start of a lifetime.
    fn quote(&mut self) {
        self.line.code.push('\'');
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('\\'), _) => {
                self.rest.next();
                self.rest.next();
                while self.rest.next_if(|c| *c != '\'').is_some() {}
                self.rest.next();
                self.line.code.push('\'');
            }
            (Some(_), Some('\'')) => {
                self.rest.next();
                self.rest.next();
                self.line.code.push('\'');
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(&str, &str)]) {
        let seen = lines(text);
        let seen: Vec<_> =
            seen.iter().map(|line| (line.code.as_str(), line.comment.as_str())).collect();
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn code_comments_and_strings_are_told_apart() {
        check("a // b\nc", &[("a ", "// b"), ("c", "")]);
        check("a /* b /* c */ d */ e", &[("a  e", "/* b /* c */ d */")]);
        check("/*/ a */ b", &[(" b", "/*/ a */")]);
        check("/* a\n b */ c", &[("", "/* a"), (" c", " b */")]);
        check(r#"f("a // b\" c") d"#, &[(r#"f("") d"#, "")]);
        check(r##"r#"a " b"# c"##, &[(r##"r#"" c"##, "")]);
        check(r##"br"a\" c"##, &[(r#"br"" c"#, "")]);
        check("'\"' 'a' '\\'' '\\u{1f}' x", &[("'' '' '' '' x", "")]);
        check("&'a str // 'b", &[("&'a str ", "// 'b")]);
        check("\"a\\\n\" c", &[("\"", ""), ("\" c", "")]);
        check("\"a\nb\" c", &[("\"", ""), ("\" c", "")]);
    }
}
