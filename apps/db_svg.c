/* Two plots, one above the other, over the height: difficulty on a logarithmic scale, and the mean
 * block interval of each slice in minutes. Plain SVG, no scripts, no outside fonts. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "db_stats.h"
#include "output_file.h"

#define WIDTH 960
#define LEFT 80 /* width of the scale's labels */
#define RIGHT 20
#define PLOT_HEIGHT 200
#define TOP_DIFFICULTY 50
#define TOP_INTERVAL 320
#define GRID 4 /* lines across a plot */

struct plot {
    const char *title;
    int top;
    double low, high; /* of the scale */
    int power; /* the scale shows 10^value */
};

static double x_of(const struct db_figures *f, uint32_t height)
{
    double span = f->to > f->from ? (double)(f->to - f->from) : 1;
    return LEFT + (WIDTH - LEFT - RIGHT) * (double)(height - f->from) / span;
}

static double y_of(const struct plot *p, double value)
{
    return p->top + PLOT_HEIGHT * (1 - (value - p->low) / (p->high - p->low));
}

static void scale(struct plot *p, double low, double high)
{
    if (!(high > low)) {
        low -= 0.5;
        high = low + 1;
    }
    p->low = low;
    p->high = high;
}

static void frame(struct output_file *o, const struct plot *p, const struct db_figures *f)
{
    char line[320];
    (void)snprintf(line, sizeof line,
                   "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
                   "stroke=\"#888\"/>\n<text x=\"%d\" y=\"%d\" font-size=\"14\">%s</text>\n",
                   LEFT, p->top, WIDTH - LEFT - RIGHT, PLOT_HEIGHT, LEFT, p->top - 8, p->title);
    output_file_text(o, line);
    for (int i = 0; i <= GRID; i++) {
        double value = p->low + (p->high - p->low) * i / GRID;
        double y = y_of(p, value);
        (void)snprintf(line, sizeof line,
                       "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                       "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n",
                       LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4,
                       p->power != 0 ? pow(10, value) : value);
        output_file_text(o, line);
        uint32_t height = f->from + (uint32_t)((uint64_t)(f->to - f->from) * (unsigned)i / GRID);
        (void)snprintf(line, sizeof line,
                       "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%" PRIu32 "</text>\n",
                       x_of(f, height), p->top + PLOT_HEIGHT + 16, height);
        output_file_text(o, line);
    }
}

static double minutes(const struct db_slice *s)
{
    return s->seconds > 0 && s->blocks > 0 ? (double)s->seconds / s->blocks / 60 : 0;
}

static double logarithm(const struct db_slice *s)
{
    return s->difficulty > 0 ? log10(s->difficulty) : 0;
}

static void curve(struct output_file *o, const struct plot *p, const struct db_figures *f,
                  double (*value)(const struct db_slice *slice), const char *colour)
{
    char point[64];
    output_file_text(o, "<polyline fill=\"none\" stroke=\"");
    output_file_text(o, colour);
    output_file_text(o, "\" points=\"");
    for (uint32_t i = 0; i < f->n_slices; i++) {
        (void)snprintf(point, sizeof point, "%.1f,%.1f ", x_of(f, f->slices[i].height),
                       y_of(p, value(&f->slices[i])));
        output_file_text(o, point);
    }
    output_file_text(o, "\"/>\n");
}

void db_svg(struct output_file *o, const struct db_figures *f)
{
    struct plot difficulty = {.title = "Difficulty", .top = TOP_DIFFICULTY, .power = 1};
    struct plot interval = {.title = "Minutes between blocks", .top = TOP_INTERVAL};
    char head[400];
    double low = HUGE_VAL;
    double high = -HUGE_VAL;
    double longest = 0;
    for (uint32_t i = 0; i < f->n_slices; i++) {
        low = fmin(low, logarithm(&f->slices[i]));
        high = fmax(high, logarithm(&f->slices[i]));
        longest = fmax(longest, minutes(&f->slices[i]));
    }
    scale(&difficulty, low, high);
    scale(&interval, 0, longest);
    (void)snprintf(head, sizeof head,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"560\" "
                   "viewBox=\"0 0 %d 560\" font-family=\"sans-serif\" font-size=\"11\">\n"
                   "<title>%s: difficulty and block interval, heights %" PRIu32 " to %" PRIu32
                   "</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                   WIDTH, WIDTH, f->network, f->from, f->to);
    output_file_text(o, head);
    frame(o, &difficulty, f);
    curve(o, &difficulty, f, logarithm, "#c60");
    frame(o, &interval, f);
    curve(o, &interval, f, minutes, "#06c");
    output_file_text(o, "</svg>\n");
}
