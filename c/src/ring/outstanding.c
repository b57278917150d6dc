/* See outstanding.h. */
#include "ring/outstanding.h"

#include <stdlib.h>

#define PLACES_MIN 64u
#define REMOVED 1

/* What the executor asks for itself ends of itself. */
static bool is_kept(uint64_t user_data)
{
    unsigned tag = user_data & TACET_TAG_MASK;
    return tag <= TACET_TAG_GROUP || tag == TACET_TAG_MULTISHOT;
}

static uint32_t first_place(const struct outstanding *outstanding, uint64_t user_data)
{
    return (uint32_t)(user_data * UINT64_C(0x9e3779b97f4a7c15) >> 32) & outstanding->mask;
}

static void put(struct outstanding *outstanding, uint64_t user_data)
{
    uint32_t place = first_place(outstanding, user_data);
    while (outstanding->places[place] > REMOVED)
        place = (place + 1) & outstanding->mask;
    if (outstanding->places[place] == REMOVED)
        outstanding->removed--;
    else
        outstanding->used++;
    outstanding->places[place] = user_data;
}

static bool init(struct outstanding *outstanding, uint32_t places)
{
    *outstanding = (struct outstanding){.places = calloc(places, sizeof *outstanding->places), .mask = places - 1};
    return outstanding->places != NULL;
}

struct outstanding *outstanding_create(void)
{
    struct outstanding *made = malloc(sizeof *made);
    if (made != NULL && init(made, PLACES_MIN))
        return made;
    free(made);
    return NULL;
}

void outstanding_destroy(struct outstanding *outstanding)
{
    if (outstanding == NULL)
        return;
    free(outstanding->places);
    free(outstanding);
}

/* At most half of the places are used, so that a search is short, and ends. */
static bool make_room(struct outstanding *outstanding, uint32_t more)
{
    struct outstanding larger;
    uint32_t places = PLACES_MIN, live = outstanding->used - outstanding->removed;
    while (places / 4 < live + more)
        places *= 2;
    if (!init(&larger, places))
        return false;
    for (uint32_t i = 0; i <= outstanding->mask; i++)
        if (outstanding->places[i] > REMOVED)
            put(&larger, outstanding->places[i]);
    free(outstanding->places);
    *outstanding = larger;
    return true;
}

bool outstanding_reserve(struct outstanding *outstanding, const struct tacet_submission_queue *sq)
{
    uint32_t more = 0;
    for (uint32_t i = sq->submitted; i != sq->tail; i++)
        more += is_kept(sq->sqes[i & sq->mask].user_data);
    return more == 0 || outstanding->used + more <= outstanding->mask / 2 || make_room(outstanding, more);
}

void outstanding_add(struct outstanding *outstanding, const struct tacet_submission_queue *sq, uint32_t count)
{
    for (uint32_t i = sq->submitted; i != sq->submitted + count; i++)
        if (is_kept(sq->sqes[i & sq->mask].user_data))
            put(outstanding, sq->sqes[i & sq->mask].user_data);
}

void outstanding_remove(struct outstanding *outstanding, const struct io_uring_cqe *completion)
{
    if (!is_kept(completion->user_data) || completion->flags & IORING_CQE_F_MORE)
        return;
    uint32_t place = first_place(outstanding, completion->user_data);
    while (outstanding->places[place] != completion->user_data) {
        if (outstanding->places[place] == 0)
            return;
        place = (place + 1) & outstanding->mask;
    }
    outstanding->places[place] = REMOVED;
    outstanding->removed++;
}

uint64_t outstanding_next(const struct outstanding *outstanding, uint32_t *place)
{
    while (*place <= outstanding->mask) {
        uint64_t user_data = outstanding->places[(*place)++];
        if (user_data > REMOVED)
            return user_data;
    }
    return 0;
}
