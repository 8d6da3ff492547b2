//! Charts as SVG: drawn by attributes and classes, without a style or a script. Beside each stands a table with what it shows.

use std::fmt::Write;

/// What a chart is drawn in, in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 160.0;
/// Room above the greatest number.
const ABOVE: f64 = 2.0;

/// A chart with its table.
pub(super) struct Chart {
    /// What it is called; its `id` is made of it.
    pub id: &'static str,
    pub title: String,
    /// What it shows, in a sentence.
    pub summary: String,
    /// The greatest number, which is as high as the chart.
    pub most: u64,
    pub svg: String,
    /// Which class of bars is what, from below upwards; empty of one series.
    pub legend: Vec<(&'static str, String)>,
    pub heads: Vec<String>,
    /// The rows of the table: what is below the axis, and a number for each series.
    pub rows: Vec<(String, Vec<u64>)>,
}

/// A series of bars: its class, and what is counted.
pub(super) struct Series {
    pub name: String,
    pub class: &'static str,
}

impl Chart {
    /// Bars, one beside the other; of several series one on top of the other.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn bars(
        id: &'static str,
        title: String,
        summary: String,
        axis: String,
        series: &[Series],
        rows: Vec<(String, Vec<u64>)>,
    ) -> Self {
        let most = rows.iter().map(|(_, numbers)| numbers.iter().sum::<u64>()).max().unwrap_or(0).max(1);
        let step = WIDTH / rows.len().max(1) as f64;
        let gap = if step > 6.0 { 2.0 } else { 0.0 };
        let scale = (HEIGHT - ABOVE) / most as f64;
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-labelledby=\"{id}-title\" \
             aria-describedby=\"{id}-summary\">",
            HEIGHT + 1.0
        );
        let _ = write!(svg, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\"/>");
        let _ = write!(svg, "<line class=\"grid-line\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{ABOVE}\" y2=\"{ABOVE}\"/>");
        for (at, (_, numbers)) in rows.iter().enumerate() {
            let mut top = HEIGHT;
            for (number, series) in numbers.iter().zip(series).filter(|(number, _)| **number > 0) {
                let height = (*number as f64 * scale).max(1.0);
                top -= height;
                let _ = write!(
                    svg,
                    "<rect class=\"{}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                    series.class,
                    at as f64 * step + gap / 2.0,
                    step - gap
                );
            }
        }
        svg.push_str("</svg>");
        let named = |series: &Series| (series.class, series.name.clone());
        let legend = if series.len() > 1 { series.iter().map(named).collect() } else { Vec::new() };
        let heads = std::iter::once(axis).chain(series.iter().map(|series| series.name.clone())).collect();
        Self { id, title, summary, most, svg, legend, heads, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chart, Series};

    #[test]
    fn bars_are_as_high_as_their_numbers_and_stay_within() {
        let series = [Series { name: "a".into(), class: "one" }, Series { name: "b".into(), class: "two" }];
        let rows = vec![("x".to_owned(), vec![1, 1]), ("y".to_owned(), vec![0, 4]), ("z".to_owned(), vec![0, 0])];
        let chart = Chart::bars("c", "C".into(), "S".into(), "axis".into(), &series, rows);
        assert_eq!(chart.svg.matches("<rect").count(), 3);
        assert!(chart.svg.contains("y=\"2.0\" width=\"211.3\" height=\"158.0\""), "{}", chart.svg);
        assert!(!chart.svg.contains("style") && chart.heads == ["axis", "a", "b"]);
        assert_eq!(chart.legend, [("one", "a".to_owned()), ("two", "b".to_owned())]);
        let empty = Chart::bars("c", String::new(), String::new(), String::new(), &series, Vec::new());
        assert!(!empty.svg.contains("rect") && !empty.svg.contains("NaN"));
    }
}
