/*
 * Intrusive doubly linked list with a sentinel. A node is in one list at most; an unlinked node's links are undefined.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <tacet/inline/task.h>

static inline void list_init(struct tacet_list_node *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct tacet_list_node *list)
{
    return list->next == list;
}

static inline void list_push_back(struct tacet_list_node *list, struct tacet_list_node *node)
{
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

/* node comes where other was, in its list. */
static inline void list_replace(struct tacet_list_node *other, struct tacet_list_node *node)
{
    *node = *other;
    node->prev->next = node;
    node->next->prev = node;
}

static inline void list_remove(struct tacet_list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
}

#endif
