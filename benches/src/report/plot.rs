//! The figures as a picture.

use anyhow::{Result, anyhow};
use plotters::{
    chart::ChartBuilder,
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _},
    element::{PathElement, Rectangle, Text},
    prelude::{IntoSegmentedCoord as _, SVGBackend, SegmentValue},
    style::{Color as _, RGBColor, ShapeStyle, WHITE},
};

use super::{Run, budgets::millions};
use crate::{measure::Measured, variant::OURS};

const WIDTH: u32 = 1_000;
const PANEL_HEIGHT: u32 = 330;
const WITHIN_LIMIT: RGBColor = RGBColor(66, 113, 174);
const ABOVE_LIMIT: RGBColor = RGBColor(214, 96, 45);
const LIMIT: RGBColor = RGBColor(180, 30, 30);

/// A part of the picture: a bar for each function, or for each language that has it.
struct Panel {
    title: &'static str,
    /// The budget's limit.
    limit: Option<f64>,
    /// Whether the other languages are also shown.
    peers: bool,
    value: fn(&Measured) -> Option<f64>,
}

const OWN: [Panel; 6] = [
    Panel {
        title: "Instructions, exec to first answer, million",
        limit: Some(20.0),
        peers: false,
        value: |measured| Some(millions(measured.instructions?.cold)),
    },
    Panel {
        title: "Instructions of a warm call and its AWS calls, million",
        limit: None,
        peers: false,
        // The counts of a sweep of a hundred records would be too large for the chart.
        value: |measured| {
            measured.instructions.filter(|_| measured.records_each == 1).map(|count| millions(count.warm))
        },
    },
    Panel {
        title: "Peak memory, MB",
        limit: Some(12.0),
        peers: false,
        value: |measured| Some(millions(measured.peak_memory_bytes)),
    },
    Panel { title: "Zip, MB", limit: Some(3.5), peers: false, value: |measured| Some(millions(measured.zip_bytes)) },
    Panel {
        title: "Processor time, exec to first answer, ms",
        limit: None,
        peers: false,
        value: |measured| Some(measured.cold.cpu_millis),
    },
    Panel {
        title: "AWS calls of a warm call",
        limit: None,
        peers: false,
        value: |measured| Some(measured.aws_calls()).filter(|_| measured.records_each == 1),
    },
];

const PEERS: [Panel; 4] = [
    Panel {
        title: "Processor time, exec to first answer, ms",
        limit: None,
        peers: true,
        value: |measured| Some(measured.cold.cpu_millis),
    },
    Panel {
        title: "Processor time of a warm call, \u{b5}s",
        limit: None,
        peers: true,
        value: |measured| Some(measured.warm.cpu_micros),
    },
    Panel {
        title: "Peak memory, MB",
        limit: None,
        peers: true,
        value: |measured| Some(millions(measured.peak_memory_bytes)),
    },
    Panel { title: "Zip, MB", limit: None, peers: true, value: |measured| Some(millions(measured.zip_bytes)) },
];

/// Draws the picture, as SVG.
///
/// # Errors
/// If the plotting library fails.
pub fn draw(run: &Run) -> Result<String> {
    let has_peers = run.measured.iter().any(|measured| measured.variant != OURS);
    let panels: Vec<&Panel> = OWN.iter().chain(PEERS.iter().filter(|_| has_peers)).collect();
    let rows = panels.len().div_ceil(2);
    let mut picture = String::new();
    {
        let height = PANEL_HEIGHT * u32::try_from(rows)?;
        let area = SVGBackend::with_string(&mut picture, (WIDTH, height)).into_drawing_area();
        let drawn = area.fill(&WHITE).and_then(|()| {
            area.split_evenly((rows, 2)).iter().zip(panels).try_for_each(|(area, panel)| panel.draw(area, run))
        });
        drawn.and_then(|()| area.present()).map_err(|error| anyhow!("the picture cannot be drawn: {error}"))?;
    }
    Ok(picture + "\n")
}

impl Panel {
    /// The bars, from bottom to top.
    fn bars(&self, run: &Run) -> Vec<(String, f64)> {
        let peers_have = |function: &str| {
            run.measured.iter().any(|measured| measured.variant != OURS && measured.function == function)
        };
        let shown = run
            .measured
            .iter()
            .filter(|measured| if self.peers { peers_have(&measured.function) } else { measured.variant == OURS });
        let mut bars: Vec<_> = shown
            .filter_map(|measured| {
                let Measured { function, variant, .. } = measured;
                let name = if self.peers {
                    format!("{function}, {}", variant.split(',').next().unwrap_or_default())
                } else {
                    function.clone()
                };
                Some((name, (self.value)(measured)?))
            })
            .collect();
        bars.reverse();
        bars
    }

    fn draw<'a>(
        &self,
        area: &DrawingArea<SVGBackend<'a>, Shift>,
        run: &Run,
    ) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as plotters::prelude::DrawingBackend>::ErrorType>> {
        let bars = self.bars(run);
        let most = bars.iter().map(|(_, value)| *value).chain(self.limit).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(24)
            .y_label_area_size(110)
            .build_cartesian_2d(0.0..most * 1.15, (0..bars.len()).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_labels(6)
            .y_labels(bars.len())
            .y_label_formatter(&|segment| match segment {
                SegmentValue::CenterOf(bar) | SegmentValue::Exact(bar) => {
                    bars.get(*bar).map_or_else(String::new, |(name, _)| name.clone())
                }
                SegmentValue::Last => String::new(),
            })
            .draw()?;
        chart.draw_series(bars.iter().enumerate().map(|(bar, (_, value))| {
            let color = if self.limit.is_some_and(|limit| *value > limit) { ABOVE_LIMIT } else { WITHIN_LIMIT };
            let corners = [(0.0, SegmentValue::Exact(bar)), (*value, SegmentValue::Exact(bar + 1))];
            let mut rectangle = Rectangle::new(corners, color.filled());
            rectangle.set_margin(3, 3, 0, 0);
            rectangle
        }))?;
        chart.draw_series(bars.iter().enumerate().map(|(bar, (_, value))| {
            let places = if *value < 10.0 { 2 } else { 0 };
            let place = (*value + most * 0.01, SegmentValue::CenterOf(bar));
            Text::new(format!("{value:.places$}"), place, ("sans-serif", 11))
        }))?;
        if let Some(limit) = self.limit {
            let line = vec![(limit, SegmentValue::Exact(0)), (limit, SegmentValue::Last)];
            chart.draw_series([PathElement::new(line, ShapeStyle::from(&LIMIT).stroke_width(2))])?;
        }
        Ok(())
    }
}
