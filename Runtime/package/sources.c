#include "CBurin.h"
