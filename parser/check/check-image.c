/* check-image.c - the images of the project: where each comes from, and one checksum at most */
#include "parser/check/check-users.h"

gboolean
check_image_sources(const struct check *check, const struct image *image, struct place place)
{
        gboolean has_url = project_is_set(image->node, "url"), has_file = project_is_set(image->node, "file");
        gboolean has_sum = project_is_set(image->node, "sha256") || project_is_set(image->node, "sha512");
        gboolean has_list = project_is_set(image->node, "checksums");

        if (!has_url && !has_file)
                return check_fault(check, "image-without-source", place,
                                   "write 'url: https://...', or 'file: ./...'", "image '%s' has neither url nor file",
                                   image->name);
        if (has_url && has_file)
                check_fault(check, "image-two-sources", project_place(image->node, "file"), "remove one of the two",
                            "image '%s' has both url and file", image->name);
        if (project_is_set(image->node, "sha256") && project_is_set(image->node, "sha512"))
                check_fault(check, "image-two-digests", project_place(image->node, "sha512"), "remove one of the two",
                            "image '%s' has both sha256 and sha512", image->name);
        if (has_list && has_sum)
                check_fault(check, "image-sum-and-list", project_place(image->node, "checksums"), "remove one of the two",
                            "image '%s' has both a checksum and a list of them", image->name);
        if (has_list && !has_url)
                check_fault(check, "image-list-for-file", project_place(image->node, "checksums"),
                            "write its checksum: 'sha256: ...'", "image '%s' is a file, which no list is fetched for",
                            image->name);
        return !(has_url && has_file) && !(has_list && (has_sum || !has_url));
}

void
check_images(const struct users *users)
{
        const struct check *check = users->check;

        for (guint i = 0; i < check->project->image_count; i++) {
                const struct image *image = &check->project->images[i];

                check_image_sources(check, image, check_key_place(check, "images", i));
                check_file(users,
                           (struct wanted_file){image->file, "file", "image", image->name, image->node, "file"});
        }
}
