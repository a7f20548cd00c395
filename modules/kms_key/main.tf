data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Not `name`, deprecated in provider 6, nor `region`, missing in provider 5.
  region = data.aws_region.current.id
}

resource "aws_kms_key" "this" {
  description         = "Encrypts what Revenium metering and authorization keep under the name ${var.name}."
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.this.json
  tags                = var.tags
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}-revenium"
  target_key_id = aws_kms_key.this.key_id
}
