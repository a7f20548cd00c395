data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Not `name`, deprecated in provider 6, nor `region`, missing in provider 5.
  region = data.aws_region.current.id

  function_name = "${var.name}-authorizer"
  # Roles are global: with the region in the name, one account has several regions under one `name`.
  role_name = "${var.name}-authorizer-${local.region}"

  # Followed by `:<api id>`; built here, as an API is known by its id alone.
  execute_api_arn = "arn:${local.partition}:execute-api:${local.region}:${local.account}"
}
