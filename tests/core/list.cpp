/* The intrusive list, against std::list. */
#include "support/support.hpp"

extern "C" {
#include "base/list.h"
}

#include <list>
#include <random>

namespace {

std::vector<const tacet_list_node*> forwards(const tacet_list_node& list)
{
    std::vector<const tacet_list_node*> nodes;
    for (const tacet_list_node* node = list.next; node != &list; node = node->next)
        nodes.push_back(node);
    return nodes;
}

std::vector<const tacet_list_node*> backwards(const tacet_list_node& list)
{
    std::vector<const tacet_list_node*> nodes;
    for (const tacet_list_node* node = list.prev; node != &list; node = node->prev)
        nodes.insert(nodes.begin(), node);
    return nodes;
}

}

TEST_CASE("a fresh list is empty, and is so again when its only node has gone", "[list]")
{
    tacet_list_node list, node;
    list_init(&list);
    CHECK(list_empty(&list));
    list_push_back(&list, &node);
    CHECK_FALSE(list_empty(&list));
    list_remove(&node);
    CHECK(list_empty(&list));
}

TEST_CASE("a list holds what a model holds, in both directions, after any pushes and removals", "[list]")
{
    std::mt19937 random(GENERATE(1u, 2u, 3u));
    std::vector<tacet_list_node> nodes(40);
    std::list<const tacet_list_node*> model;
    tacet_list_node list;
    list_init(&list);
    for (int step = 0; step < 2000; step++) {
        tacet_list_node& node = nodes[random() % nodes.size()];
        const auto found = std::find(model.begin(), model.end(), &node);
        if (found == model.end()) {
            list_push_back(&list, &node);
            model.push_back(&node);
        } else {
            list_remove(&node);
            model.erase(found);
        }
        const std::vector<const tacet_list_node*> expected(model.begin(), model.end());
        REQUIRE(forwards(list) == expected);
        REQUIRE(backwards(list) == expected);
        REQUIRE(list_empty(&list) == model.empty());
    }
}
