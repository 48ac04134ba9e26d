// Package picture draws a dump's physical memory: which of it is RAM, which
// pages are in the dump, which of those are zero or hold page tables, and what
// is missing.
//
// New counts the classes of pages, cell by cell; a cell is a power of two of
// pages, so that the whole machine fits. Text, SVG and PNG draw the result: one
// band for each range of dump_avail, addresses ascending from left to right and
// top to bottom. A cell has the mixed colour of its pages; the rare classes
// weigh more, so that one missing page in a cell of thousands is still seen.
package picture
