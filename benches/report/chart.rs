//! Line charts as SVG: small, with a background of their own for light and for dark pages.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Where the lines are drawn: left, top, right, bottom. Above are the title and the legend.
const PLOT: [f64; 4] = [76.0, 84.0, 690.0, 340.0];
/// Colours of the series on light and on dark, told apart by the colour-blind too.
const COLOURS: [(&str, &str); 4] =
    [("#0550ae", "#79c0ff"), ("#bc4c00", "#ffa657"), ("#1a7f37", "#56d364"), ("#8250df", "#d2a8ff")];

/// How an axis counts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// An axis: what it shows, with its unit, and how its numbers are written.
pub(crate) struct Axis {
    pub label: &'static str,
    pub scale: Scale,
    pub text: fn(f64) -> String,
}

/// A named line through its points, in order.
pub(crate) struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Draws a chart. The horizontal axis is marked where the points are, the vertical one at round numbers.
pub(crate) fn svg(title: &str, x: &Axis, y: &Axis, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| series.points.iter().copied());
    let mut marks: Vec<f64> = points().map(|point| point.0).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    let (low, high) = (marks.first().copied().unwrap_or(0.0), marks.last().copied().unwrap_or(1.0));
    let rounds = round_marks(y.scale, points().map(|point| point.1));
    let [left, top, right, bottom] = PLOT;
    let at_x = |value: f64| left + share(x.scale, value, low, high) * (right - left);
    let at_y = |value: f64| bottom - share(y.scale, value, rounds[0], rounds[rounds.len() - 1]) * (bottom - top);

    let mut out = head(title);
    for &mark in &rounds {
        let (at, text) = (at_y(mark), escape(&(y.text)(mark)));
        let _ = writeln!(out, r#"<path class="grid" d="M{left} {at:.1}H{right}"/>"#);
        let _ = writeln!(out, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"#, left - 8.0, at + 4.0);
    }
    let mut free = 0.0;
    for &mark in &marks {
        let (at, text) = (at_x(mark), escape(&(x.text)(mark)));
        // Marks that would lie upon each other are left out.
        if at >= free {
            free = at + 34.0;
            let _ = writeln!(out, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#, bottom + 20.0);
        }
    }
    let (middle, label) = ((left + right) / 2.0, escape(x.label));
    let _ = writeln!(out, r#"<text x="{middle}" y="{}" text-anchor="middle">{label}</text>"#, bottom + 44.0);
    let _ = writeln!(out, r#"<text x="{left}" y="{}">{}</text>"#, top - 12.0, escape(y.label));
    let mut legend = left;
    for (number, series) in series.iter().enumerate() {
        let class = format!("s{}", number % COLOURS.len());
        let line: Vec<String> = series.points.iter().map(|&(x, y)| format!("{:.1} {:.1}", at_x(x), at_y(y))).collect();
        let _ = writeln!(out, r#"<path class="line {class}" d="M{}"/>"#, line.join("L"));
        for &(x, y) in &series.points {
            let _ = writeln!(out, r#"<circle class="dot {class}" cx="{:.1}" cy="{:.1}" r="3"/>"#, at_x(x), at_y(y));
        }
        let _ = writeln!(out, r#"<path class="line {class}" d="M{legend:.0} 44h18"/>"#);
        let _ = writeln!(out, r#"<text x="{:.0}" y="48">{}</text>"#, legend + 24.0, escape(&series.name));
        legend += 48.0 + 6.6 * series.name.chars().count() as f64;
    }
    out + "</svg>\n"
}

fn head(title: &str) -> String {
    let of = |colours: fn(&(&'static str, &'static str)) -> &'static str| -> String {
        let rule = |(number, pair)| format!(".line.s{number}{{stroke:{0}}}.dot.s{number}{{fill:{0}}}", colours(pair));
        COLOURS.iter().enumerate().map(rule).collect()
    };
    let title = escape(title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">
<style>
text{{font:12px system-ui,sans-serif;fill:#1f2328}}.title{{font-size:15px;font-weight:600}}.page{{fill:#fff}}
.grid{{stroke:#d1d9e0}}.line{{fill:none;stroke-width:2}}{}
@media (prefers-color-scheme:dark){{text{{fill:#e6edf3}}.page{{fill:#0d1117}}.grid{{stroke:#30363d}}{}}}
</style>
<rect class="page" width="100%" height="100%"/>
<text class="title" x="{}" y="26">{title}</text>
"#,
        of(|pair| pair.0),
        of(|pair| pair.1),
        PLOT[0]
    )
}

/// Where `value` lies between `low` and `high`, from 0 to 1.
fn share(scale: Scale, value: f64, low: f64, high: f64) -> f64 {
    let on = |value: f64| if scale == Scale::Log { value.ln() } else { value };
    if high > low { (on(value) - on(low)) / (on(high) - on(low)) } else { 0.5 }
}

/// Round numbers, from at most the least to at least the largest of `values`; linear ones from 0.
fn round_marks(scale: Scale, values: impl Iterator<Item = f64>) -> Vec<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::MIN_POSITIVE), |(low, high), y| (low.min(y), high.max(y)));
    match scale {
        Scale::Linear => {
            let power = 10_f64.powf((high / 5.0).log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0].map(|of| of * power).into_iter().find(|step| step * 6.0 >= high);
            let step = step.expect("ten times the power is large enough");
            (0..=(high / step).ceil() as u32).map(|count| f64::from(count) * step).collect()
        }
        Scale::Log => {
            let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
            let all: Vec<f64> = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|of| of * 10_f64.powi(power))).collect();
            let first = all.iter().rposition(|&mark| mark <= low).unwrap_or(0);
            let last = all.iter().position(|&mark| mark >= high).unwrap_or(all.len() - 1);
            all[first..=last.max(first + 1)].to_vec()
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
