locals {
  functions_path = "${path.module}/../../functions"
  package_files = merge(
    {
      for file in fileset(local.functions_path, "{${var.package},revenium}/**/*.py") : file => file("${local.functions_path}/${file}")
    },
    var.extra_files,
    var.functions.ca_certificate_file == null ? {} : { (local.ca_file) = file(var.functions.ca_certificate_file) },
  )
  ca_file = "ca.pem"
  # Of this instance alone: two that wrote one file would deploy each other's code.
  package_path = "${path.module}/.build/${local.account}-${local.region}-${var.name}.zip"
}

resource "terraform_data" "package" {
  triggers_replace = [local.package_path, sha256(jsonencode(local.package_files))]
}

# Waiting for terraform_data puts the read off to apply exactly when there is new code. Read at plan, the zip would lie
# where the plan was made, and a saved plan applied from another checkout fails with "no such file or directory".
data "archive_file" "package" {
  type             = "zip"
  output_path      = local.package_path
  output_file_mode = "0644"

  dynamic "source" {
    for_each = local.package_files

    content {
      filename = source.key
      # Public, but a plan would print all of it.
      content = sensitive(source.value)
    }
  }

  depends_on = [terraform_data.package]
}
