//! A line chart as SVG: deterministic, readable on light and dark pages, no dependencies.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Around the plotting area: left, top, right, bottom.
const MARGIN: [f64; 4] = [70.0, 56.0, 150.0, 52.0];
/// Okabe and Ito's colours, which people of all colour visions tell apart.
const COLOURS: [&str; 5] = ["#555555", "#0072B2", "#D55E00", "#009E73", "#CC79A7"];

#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Scale {
    /// From 0.
    Linear,
    /// From 1, for multiples of a bound.
    FromOne,
    Log,
}

#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Style {
    Plain,
    /// Seen on both sides of a plain one that covers it.
    Wide,
    Dashed,
}

/// One line of a chart.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) style: Style,
    pub(crate) points: Vec<(f64, f64)>,
}

pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) x: (&'static str, Scale),
    pub(crate) y: (&'static str, Scale),
    pub(crate) lines: Vec<Line>,
}

/// From data to places on the page.
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    fn new(
        scale: Scale,
        values: impl Iterator<Item = f64> + Clone,
        [begin, end]: [f64; 2],
    ) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        let (from, to) = match scale {
            Scale::Linear => (0.0, most.max(1e-9)),
            Scale::FromOne => (1.0, most.max(1.1)),
            Scale::Log => (least.max(1e-3), most.max(2e-3)),
        };
        Self {
            scale,
            from,
            to,
            begin,
            end,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear | Scale::FromOne => (value - self.from) / (self.to - self.from),
            Scale::Log => (value.max(self.from) / self.from).log(self.to / self.from),
        };
        share.mul_add(self.end - self.begin, self.begin)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear | Scale::FromOne => {
                let rough = (self.to - self.from) / 5.0;
                let power = 10.0_f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
                let step = steps
                    .into_iter()
                    .find(|&step| step >= rough)
                    .unwrap_or(rough);
                let first = (self.from / step).ceil();
                let ticks = (0..12).map(|at| (first + f64::from(at)) * step);
                ticks.take_while(|&tick| tick <= self.to * 1.0001).collect()
            }
            Scale::Log => {
                let powers = -3..7;
                let ticks =
                    powers.flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10.0_f64.powi(power)));
                let inside =
                    ticks.filter(|tick| (self.from * 0.999..=self.to * 1.001).contains(tick));
                let all: Vec<_> = inside.collect();
                let few = |tick: &f64| (tick.log10() - tick.log10().round()).abs() < 1e-9;
                if all.len() > 9 {
                    all.into_iter().filter(few).collect()
                } else {
                    all
                }
            }
        }
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let [left, top, right, bottom] = MARGIN;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::new(
            self.x.1,
            points().map(|point| point.0),
            [left, WIDTH - right],
        );
        let y = Axis::new(
            self.y.1,
            points().map(|point| point.1),
            [HEIGHT - bottom, top],
        );
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"{left}\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{left}\" y=\"44\" fill=\"#444\">{}</text>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#444\">{}</text>\n",
            self.title,
            self.y.0,
            f64::midpoint(left, WIDTH - right),
            HEIGHT - 10.0,
            self.x.0,
        );
        for tick in y.ticks() {
            let at = y.place(tick);
            let _ = writeln!(
                out,
                "<path d=\"M{left} {at:.1}H{:.0}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{}</text>",
                WIDTH - right,
                left - 8.0,
                at + 4.5,
                number(tick),
            );
        }
        for tick in x.ticks() {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#444\">{}</text>",
                x.place(tick),
                HEIGHT - bottom + 20.0,
                number(tick),
            );
        }
        let _ = writeln!(
            out,
            "<path d=\"M{left} {:.0}H{:.0}\" stroke=\"#888\"/>",
            HEIGHT - bottom,
            WIDTH - right
        );
        let labels = self.label_places(&y);
        for (at, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let path: Vec<_> = line
                .points
                .iter()
                .map(|&(px, py)| format!("{:.1} {:.1}", x.place(px), y.place(py)))
                .collect();
            let style = match line.style {
                Style::Plain => "stroke-width=\"2\"",
                Style::Wide => "stroke-width=\"6\" stroke-opacity=\"0.5\"",
                Style::Dashed => "stroke-width=\"2\" stroke-dasharray=\"6 4\"",
            };
            let _ = writeln!(
                out,
                "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" {style}/>\n\
                 <text x=\"{:.0}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                path.join("L"),
                WIDTH - right + 8.0,
                labels[at] + 4.5,
                line.name,
            );
        }
        out.push_str("</svg>\n");
        out
    }

    /// Beside the ends of the lines, moved apart where they would overlap.
    fn label_places(&self, y: &Axis) -> Vec<f64> {
        const APART: f64 = 17.0;
        let ends: Vec<f64> = self
            .lines
            .iter()
            .map(|line| line.points.last().map_or(0.0, |point| y.place(point.1)))
            .collect();
        let mut order: Vec<usize> = (0..ends.len()).collect();
        order.sort_by(|&a, &b| ends[a].total_cmp(&ends[b]));
        let mut places = ends.clone();
        let mut least = MARGIN[1];
        for &at in &order {
            places[at] = ends[at].max(least);
            least = places[at] + APART;
        }
        let mut most = HEIGHT - MARGIN[3];
        for &at in order.iter().rev() {
            places[at] = places[at].min(most);
            most = places[at] - APART;
        }
        places
    }
}
