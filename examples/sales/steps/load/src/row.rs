//! What a row must be.

/// The columns that are read.
pub const COLUMNS: [&str; 4] = ["date", "product", "quantity", "price"];

/// A row as it stands in the file.
pub struct Row<'a> {
    /// Where it begins, from 1.
    pub line: u64,
    /// The fields of `COLUMNS`, empty where there is none.
    pub fields: [&'a str; COLUMNS.len()],
    /// Where it ends: further down if a quoted field holds newlines, or a quote is not closed.
    pub end: u64,
    /// Whether fields stand behind the last one of the header.
    pub longer: bool,
}

/// Why a row is bad.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub line: u64,
    pub column: String,
    pub value: String,
    pub reason: String,
}

impl<'a> Row<'a> {
    /// Its fields, or the first thing that is wrong with it.
    pub fn check(&self) -> Result<[&'a str; COLUMNS.len()], Fault> {
        let [date, product, quantity, price] = self.fields;
        let wrong = [
            missing(date).or_else(|| (!is_date(date)).then_some("is no date (YYYY-MM-DD)")),
            missing(product),
            missing(quantity).or_else(|| not_a_number(quantity)),
            missing(price).or_else(|| not_a_number(price)),
        ];
        for ((reason, column), value) in wrong.into_iter().zip(COLUMNS).zip(self.fields) {
            if let Some(reason) = reason {
                return Err(self.fault(column, value, reason));
            }
        }
        if self.longer {
            return Err(self.fault("", "", "has more fields than there are columns"));
        }
        Ok(self.fields)
    }

    fn fault(&self, column: &str, value: &str, reason: &str) -> Fault {
        Fault {
            line: self.line,
            column: column.to_owned(),
            // Enough to find it by.
            value: value.chars().take(80).collect(),
            reason: match self.end - self.line {
                0 => reason.to_owned(),
                _ => format!(
                    "{reason}; the row goes on to line {}, is a quote not closed?",
                    self.end
                ),
            },
        }
    }
}

fn missing(field: &str) -> Option<&'static str> {
    field.is_empty().then_some("is missing")
}

/// Whole numbers of up to 9 digits, with which sums stay exact in any language.
fn not_a_number(field: &str) -> Option<&'static str> {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (!fits).then_some("is no whole number (of up to 9 digits)")
}

/// Whether this is a day of the calendar, as `2024-02-29`.
fn is_date(field: &str) -> bool {
    let bytes = field.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = &bytes[from..to];
        digits.iter().all(u8::is_ascii_digit).then(|| {
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        })
    };
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 7), number(8, 10)) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: [&str; 4]) -> Result<[&str; 4], String> {
        let row = Row {
            line: 7,
            fields,
            end: 7,
            longer: false,
        };
        row.check()
            .map_err(|fault| format!("{} {}", fault.column, fault.reason))
    }

    #[test]
    fn a_good_row_is_given_back() {
        let row = ["2024-02-29", "A", "-2", "1200"];
        assert_eq!(check(row), Ok(row));
    }

    #[test]
    fn a_bad_row_names_the_first_column_that_is_wrong() {
        for (fields, expected) in [
            (["", "A", "1", "1"], "date is missing"),
            (
                ["2024-02-30", "A", "1", "1"],
                "date is no date (YYYY-MM-DD)",
            ),
            (
                ["2023-02-29", "A", "1", "1"],
                "date is no date (YYYY-MM-DD)",
            ),
            (
                ["2024-13-01", "A", "1", "1"],
                "date is no date (YYYY-MM-DD)",
            ),
            (
                ["2024-00-01", "A", "1", "1"],
                "date is no date (YYYY-MM-DD)",
            ),
            (
                ["2024-1-01x", "A", "1", "1"],
                "date is no date (YYYY-MM-DD)",
            ),
            (["2024-é-01", "A", "1", "1"], "date is no date (YYYY-MM-DD)"),
            (["2024-01-01", "", "x", "1"], "product is missing"),
            (
                ["2024-01-01", "A", "two", "1"],
                "quantity is no whole number (of up to 9 digits)",
            ),
            (
                ["2024-01-01", "A", "-", "1"],
                "quantity is no whole number (of up to 9 digits)",
            ),
            (
                ["2024-01-01", "A", "1", "9.5"],
                "price is no whole number (of up to 9 digits)",
            ),
            (
                ["2024-01-01", "A", "1", "1234567890"],
                "price is no whole number (of up to 9 digits)",
            ),
        ] {
            assert_eq!(check(fields), Err(expected.to_owned()), "{fields:?}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_a_date() {
        let days = (2000..2400)
            .flat_map(|y| (0..100).flat_map(move |m| (0..100).map(move |d| (y, m, d))))
            .filter(|(y, m, d)| is_date(&format!("{y:04}-{m:02}-{d:02}")))
            .count();
        assert_eq!(days, 146_097);
    }
}
