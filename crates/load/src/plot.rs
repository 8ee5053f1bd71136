//! Columns of figures as a picture: small plots, one below the other, with time in minutes.

use std::path::Path;
use std::sync::Once;

use anyhow::{Result, anyhow};
use plotters::prelude::{
    BLACK, BitMapBackend, ChartBuilder, Color as _, IntoDrawingArea as _, IntoFont as _,
    LineSeries, RGBColor, WHITE,
};
use plotters::style::{FontStyle, register_font};

use crate::figures::Figures;

/// Width of a picture.
const WIDTH: u32 = 1_000;
/// Height of one plot of it.
const PLOT_HEIGHT: u32 = 220;
/// The font's name within a picture.
const FONT: &str = "sans-serif";
/// Colours of lines, told apart also by those who see few.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

static FONTS: Once = Once::new();

/// One plot: a title that names the unit, and the columns in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plot {
    /// What is seen, with its unit.
    pub(crate) title: &'static str,
    /// Names of columns, and of lines.
    pub(crate) columns: Vec<(String, &'static str)>,
}

/// Draws plots one below the other into a PNG file.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn draw(figures: &Figures, plots: &[Plot], file: &Path) -> Result<()> {
    FONTS.call_once(|| {
        let known = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
        assert!(known.is_ok(), "the font is one");
    });
    let height = PLOT_HEIGHT * u32::try_from(plots.len())?;
    let root = BitMapBackend::new(file, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, plot) in root.split_evenly((plots.len(), 1)).iter().zip(plots) {
        let lines: Vec<(Vec<(f64, f64)>, &str)> =
            plot.columns.iter().map(|(column, line)| (figures.column(column), *line)).collect();
        let points = || lines.iter().flat_map(|(points, _)| points);
        let last = points().map(|(minute, _)| *minute).fold(1.0, f64::max);
        let most = points().map(|(_, value)| *value).fold(0.0, f64::max).max(1e-3) * 1.1;
        let mut chart = ChartBuilder::on(area)
            .caption(plot.title, (FONT, 15).into_font())
            .margin(6)
            .x_label_area_size(22)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..last, 0.0..most)
            .map_err(|error| anyhow!("{}: {error}", plot.title))?;
        chart.configure_mesh().label_style((FONT, 11)).y_labels(5).draw()?;
        for ((points, name), colour) in lines.into_iter().zip(COLOURS) {
            let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            drawn.label(name).legend(move |(x, y)| {
                plotters::element::PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2))
            });
        }
        chart
            .configure_series_labels()
            .label_font((FONT, 11))
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_png_of_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plot.png");
        let mut figures = Figures::new(["a".to_owned()]);
        figures.add(0.0, vec![1.0]);
        figures.add(1.0, vec![2.0]);
        let plot = Plot { title: "memory, MiB", columns: vec![("a".to_owned(), "alice")] };
        draw(&figures, &[plot.clone(), plot], &file).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(bytes[16..24], [0, 0, 3, 232, 0, 0, 1, 184]);
    }
}
