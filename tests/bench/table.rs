//! The table: figure beside target.

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its number, as in the table.
    pub(crate) number: u8,
    /// The name of the figure.
    pub(crate) what: String,
    /// The measured value.
    pub(crate) figure: String,
    /// The target.
    pub(crate) target: String,
    /// `true` if the target is met.
    pub(crate) met: bool,
    /// The way it was measured, where that matters.
    pub(crate) note: String,
}

impl Row {
    /// Returns a row that could not be measured.
    pub(crate) fn failed(number: u8, error: &anyhow::Error) -> Row {
        let note = format!("{error:#}");
        // The end of a controller's log is in some errors: a few lines tell enough.
        let note: Vec<&str> = note.lines().take(12).collect();
        Row {
            number,
            what: "not measured".to_owned(),
            figure: "-".to_owned(),
            target: "-".to_owned(),
            met: false,
            note: note.join("\n"),
        }
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a row, and says at once what came out.
    pub(crate) fn add(&mut self, row: Row) {
        super::progress::progress(&format!(
            "row {}: {}: {} (target {})",
            row.number, row.what, row.figure, row.target
        ));
        self.0.push(row);
    }

    /// Returns whether all targets are met.
    pub(crate) fn met(&self) -> bool {
        self.0.iter().all(|row| row.met)
    }

    /// Prints the table, and below it how the rows were measured.
    pub(crate) fn print(&self) {
        println!("{}", self.text());
    }

    fn text(&self) -> String {
        let head = ["#", "what", "figure", "target", "met?"].map(str::to_owned);
        let cells = self.0.iter().map(|row| {
            let met = if row.met { "yes" } else { "NO" };
            [row.number.to_string(), row.what.clone(), row.figure.clone(), row.target.clone(), met.to_owned()]
        });
        let lines: Vec<[String; 5]> = std::iter::once(head).chain(cells).collect();
        let widths: [usize; 5] = std::array::from_fn(|i| {
            lines.iter().map(|line| line[i].chars().count()).max().unwrap_or_default()
        });
        let mut text = String::from("\n");
        for (i, line) in lines.iter().enumerate() {
            let cells: Vec<String> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if i == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                text.push_str(&format!("|-{}-|\n", rule.join("-|-")));
            }
        }
        let mut told: Vec<&str> = Vec::new();
        for row in self.0.iter().filter(|row| !row.note.is_empty()) {
            if !told.contains(&row.note.as_str()) {
                text.push_str(&format!("\n{}: {}", row.number, row.note));
                told.push(&row.note);
            }
        }
        text
    }
}

/// Returns the value below which this share of the sorted values lies (nearest rank).
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among a few thousand values"
    )]
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// Returns the median and the 99th percentile.
pub(crate) fn p50_p99(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (percentile(&values, 0.5), percentile(&values, 0.99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(p50_p99(values), (50.0, 99.0));
        assert_eq!(p50_p99(vec![3.0, 1.0, 2.0]), (2.0, 3.0));
        assert!(p50_p99(Vec::new()).0.is_nan());
    }

    #[test]
    fn a_missed_target_shows_and_counts() {
        let mut table = Table::default();
        table.add(Row {
            number: 7,
            what: "writes".into(),
            figure: "0".into(),
            target: "0".into(),
            met: true,
            note: "of one minute".into(),
        });
        assert!(table.met());
        table.add(Row::failed(1, &anyhow::anyhow!("no controller")));
        assert!(!table.met());
        let text = table.text();
        assert!(text.contains("| 7 | writes       | 0 ") && text.contains("| NO   |"), "{text}");
        assert!(text.contains("1: no controller"), "{text}");
    }
}
