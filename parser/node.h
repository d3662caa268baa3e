/* node.h - the inside of a tree, for those that make one */
#pragma once

#include "parser/tree.h"

struct block;

struct tree {
        struct node *root;
        struct block *blocks;
        char *free; /* the rest of the present block */
        size_t free_bytes;
};

/** tree_alloc() - Zeroed memory, aligned to 8, that lives as long as the tree */
void *tree_alloc(struct tree *tree, size_t bytes);
