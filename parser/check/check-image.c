/* check-image.c - the images of the project: where each comes from, and one checksum at most */
#include "parser/check/check-users.h"

void
check_images(const struct users *users)
{
        const struct check *check = users->check;

        for (guint i = 0; i < check->project->image_count; i++) {
                const struct image *image = &check->project->images[i];
                gboolean has_url = project_is_set(image->node, "url"), has_file = project_is_set(image->node, "file");

                if (!has_url && !has_file)
                        check_fault(check, "image-without-source", check_key_place(check, "images", i),
                                    "write 'url: https://...', or 'file: ./...'", "image '%s' has neither url nor file",
                                    image->name);
                if (has_url && has_file)
                        check_fault(check, "image-two-sources", project_place(image->node, "file"), "remove one of the two",
                                    "image '%s' has both url and file", image->name);
                if (project_is_set(image->node, "sha256") && project_is_set(image->node, "sha512"))
                        check_fault(check, "image-two-digests", project_place(image->node, "sha512"), "remove one of the two",
                                    "image '%s' has both sha256 and sha512", image->name);
                check_file(users,
                           (struct wanted_file){image->file, "file", "image", image->name, image->node, "file"});
        }
}
