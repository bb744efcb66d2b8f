#ifndef CBURIN_H
#define CBURIN_H
#include <stddef.h>
#include <stdint.h>
#endif
