/* The class map of an int8 file that was exported with --head quarter-logits, on the processor beside the accelerator.
 *
 * Logits are enlarged bilinearly, pixel centres to pixel centres, edges repeated, and the class is the first of the
 * largest. All classes have one scale and zero point, so their integers are compared: no float, and exact. It needs no
 * memory beside its arguments.
 */
#include <stdint.h>

typedef struct {
    int before, after; /* rows, or columns, of the logits between which a pixel lies */
    int weight;        /* of the one after, in 1 / (2 ratio) */
} place;

static place place_of(int pixel, int ratio, int size)
{
    int step = 2 * ratio, distance = 2 * pixel + 1 + ratio; /* from the centre before the first, in 1 / step */
    int after = distance / step;
    place found = { after - 1, after, distance % step };
    if (found.before < 0) found.before = 0;
    if (found.after > size - 1) found.after = size - 1;
    return found;
}

/* logits: height x width x classes, as the file gives them; ids: (ratio height) x (ratio width). ratio is 4 for
 * quarter-logits; at most 1024. */
void class_map_of_logits(const int8_t *logits, int height, int width, int classes, int ratio, uint8_t *ids)
{
    for (int y = 0; y < ratio * height; y++) {
        place row = place_of(y, ratio, height);
        const int8_t *above = logits + row.before * width * classes, *below = logits + row.after * width * classes;
        for (int x = 0; x < ratio * width; x++) {
            place column = place_of(x, ratio, width);
            int left = column.before * classes, right = column.after * classes, best = 0;
            int32_t highest = INT32_MIN;
            for (int k = 0; k < classes; k++) {
                int32_t before = (2 * ratio - row.weight) * above[left + k] + row.weight * below[left + k];
                int32_t after = (2 * ratio - row.weight) * above[right + k] + row.weight * below[right + k];
                int32_t score = (2 * ratio - column.weight) * before + column.weight * after;
                if (score > highest) {
                    highest = score;
                    best = k;
                }
            }
            *ids++ = (uint8_t)best;
        }
    }
}
