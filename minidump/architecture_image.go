//go:build rescue_image

package minidump

// ownOnly: an image (package imagebuild sets the tag) dumps the machine that it
// runs on and no other, so the other architecture's page tables are not linked.
const ownOnly = true
