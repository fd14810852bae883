// Gives back memory that only the start-up (or a reload) needed, so that a sidecar stays small: freed
// heap, and the pages of code that has run and may never run again. The code is mapped again from the
// page cache where it is needed. Any thread; takes a few milliseconds.
#pragma once

namespace fettle {

void GiveBackMemory();

}  // namespace fettle
